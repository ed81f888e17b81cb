//! What the words promise: every value survives the wire in one spelling, and nothing else gets in.

mod arbitrary;
mod frames;
mod golden;
mod invites;
mod keys;
mod names;
mod packets;
mod relay;
mod round_trip;
mod signatures;
mod spelling;
