//! Feeds overdue deadlines and letters to the connections of API Gateway, and closes what died.

fn main() {}
