//! The build script of the programs for Linux guests: links one as Linux starts it, at a fixed address and with
//! nothing else to load.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        for argument in ["-static", "--no-pie", "-zmax-page-size=65536"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}
