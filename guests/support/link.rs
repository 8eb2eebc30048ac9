//! The build script of all bare-metal guests: links one as a position-independent image.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let script = format!("{folder}/../support/link.ld");
    println!("cargo:rerun-if-changed={script}");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        for argument in [
            &format!("-T{script}"),
            "-pie",
            "-znotext",
            "--no-dynamic-linker",
        ] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}
