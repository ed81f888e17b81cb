//! Holloway's relay as a pure state machine: registration, forwarding, limits and announcement.
//!
//! A relay is an ordinary member with the `relay` right; it passes sealed frames between registered members and sees
//! ids and lengths only. Nothing of it runs yet: the crate holds its place among the layers (it may use the words of
//! `holloway-wire` and nothing else of ours), so that the checks of the layers cover it from the start.
//!
//! It will not know what a session is, what time it is, nor that sockets and tasks exist.
