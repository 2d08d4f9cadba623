//! The AudioHook door whose connections API Gateway holds: one step per event.
