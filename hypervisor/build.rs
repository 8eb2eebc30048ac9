//! Linker arguments for the bare-metal image: linked at 0, relocated by its own entry code.

fn main() {
    println!("cargo:rerun-if-changed=link.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let script = format!("-T{directory}/link.ld");
        for argument in [
            script.as_str(),
            "-pie",
            "-znotext",
            "--no-dynamic-linker",
            "-zmax-page-size=4096",
        ] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}
