//! tmp
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub name: String,
    pub ani: String,
    pub dnis: String,
}
