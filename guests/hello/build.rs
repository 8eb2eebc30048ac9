//! Links the guest for the bare metal as a position-independent image.

fn main() {
    println!("cargo:rerun-if-changed=link.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        for argument in [
            &format!("-T{folder}/link.ld"),
            "-pie",
            "-znotext",
            "--no-dynamic-linker",
        ] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}
