//! The pages are part of the program: when they change, so does it.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
}
