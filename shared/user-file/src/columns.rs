//! The columns of the file.

/// The columns, in the order in which they are written; they are read in any order.
pub const COLUMNS: [&str; 8] =
    ["name", "email", "telephony_agent_id", "adaptor", "team", "supervisor", "site", "status"];

/// Another name for `email`.
pub(crate) const USERNAME: &str = "username";

/// A file that shows every column; the people in it are invented.
pub const SAMPLE: &str = "\
name,email,telephony_agent_id,adaptor,team,supervisor,site,status
Ada Example,ada@customer.example,,genesys-cloud,Billing,grace,Lisbon,active
Bo Example,bo@customer.example,bo,genesys-cloud,Billing,grace,Lisbon,active
Cy Example,cy@customer.example,,avaya,Returns,,Oslo,inactive
";
