//! The stream's contract: the CallRecord schema, its encoding and its partition key.
