//! What tests share: the conformance suite of the ports.
