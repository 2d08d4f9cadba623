//! The matching rules, one by one.
