//! One AudioHook session joined with its call: matching, the gate, attribution, delivery.
