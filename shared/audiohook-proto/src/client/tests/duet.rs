//! Client and server machine against each other, on one clock and over wires that take time.
