//! The columns of the file, and the other names under which spreadsheets have them.

/// The columns, in the order in which they are written; they are read in any order.
pub const COLUMNS: [&str; 8] =
    ["name", "email", "telephony_agent_id", "adaptor", "team", "supervisor", "site", "status"];

/// What other systems call a column, spelled as [`spelling`] spells it.
const SYNONYMS: [(&str, &str); 21] = [
    ("fullname", "name"),
    ("displayname", "name"),
    ("agentname", "name"),
    ("username", "email"),
    ("user", "email"),
    ("mail", "email"),
    ("emailaddress", "email"),
    ("useremail", "email"),
    ("useremailaddress", "email"),
    ("workemail", "email"),
    ("login", "email"),
    ("loginname", "email"),
    ("userprincipalname", "email"),
    ("genesysusername", "email"),
    ("agentid", "telephony_agent_id"),
    ("agent", "telephony_agent_id"),
    ("adapter", "adaptor"),
    ("platform", "adaptor"),
    ("teamname", "team"),
    ("supervisorid", "supervisor"),
    ("sitename", "site"),
];

/// A file that shows every column; the people in it are invented.
pub const SAMPLE: &str = "\
name,email,telephony_agent_id,adaptor,team,supervisor,site,status
Ada Example,ada@customer.example,,genesys-cloud,Billing,grace,Lisbon,active
Bo Example,bo@customer.example,bo,genesys-cloud,Billing,grace,Lisbon,active
Cy Example,cy@customer.example,,avaya,Returns,,Oslo,inactive
";

/// Returns a column's name with nothing but its letters and digits, in lower case: spreadsheets
/// write `E-Mail`, `Team Name` and `telephony_agent_id`.
pub(crate) fn spelling(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns the column that a name stands for.
pub(crate) fn column_named(name: &str) -> Option<&'static str> {
    let name = spelling(name);
    let own = COLUMNS.into_iter().find(|column| spelling(column) == name);
    own.or_else(|| SYNONYMS.into_iter().find(|(other, _)| *other == name).map(|(_, own)| own))
}
