"""Which stream leases which slot, and which worker owns it: two pure state machines."""
