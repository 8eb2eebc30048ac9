//! First instructions: image header, relocation, and the way from MMU off to Rust.
//!
//! The boot protocol is Linux's arm64 one (Documentation/arch/arm64/booting.rst): entered at EL2
//! (or EL1, for a message) with the MMU off, x0 = physical address of the device tree, the image
//! anywhere at a 2 MiB boundary. The image runs at its physical address.
//!
//! Secondary CPUs come in at `secondary_entry` with x0 = address of a [`SecondaryStart`].

use core::arch::global_asm;
use core::mem::offset_of;

/// What a secondary CPU needs before it can run Rust; read with the MMU off.
#[repr(C, align(64))]
pub(crate) struct SecondaryStart {
    pub(crate) mair: u64,
    pub(crate) tcr: u64,
    pub(crate) ttbr0: u64,
    pub(crate) sctlr: u64,
    pub(crate) stack: u64,
    pub(crate) entry: u64,
    pub(crate) argument: u64,
}

global_asm!(
    r#"
    .section .head, "ax"
    .global _head
_head:
    b       1f
    .long   0
    .quad   0                       // text_offset
    .quad   _image_bytes            // image_size
    .quad   0xa                     // little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0
1:
    msr     daifset, #0xf
    mov     x19, x0
    adrp    x20, _head
    adrp    x21, __rela_start
    add     x21, x21, :lo12:__rela_start
    adrp    x22, __rela_end
    add     x22, x22, :lo12:__rela_end
2:  cmp     x21, x22                // R_AARCH64_RELATIVE only; the image is linked at 0
    b.hs    3f
    ldp     x0, x1, [x21], #16
    ldr     x2, [x21], #8
    cmp     w1, #1027
    b.ne    2b
    add     x2, x2, x20
    str     x2, [x20, x0]
    b       2b
3:  adrp    x0, __bss_start
    add     x0, x0, :lo12:__bss_start
    adrp    x1, __bss_end
    add     x1, x1, :lo12:__bss_end
4:  cmp     x0, x1
    b.hs    5f
    stp     xzr, xzr, [x0], #16
    b       4b
5:  // What was written with the caches off must not be hidden by stale lines.
    adrp    x0, __data_start
    add     x0, x0, :lo12:__data_start
    adrp    x1, _end
    add     x1, x1, :lo12:_end
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4
    mov     x3, #4
    lsl     x3, x3, x2
6:  dc      ivac, x0
    add     x0, x0, x3
    cmp     x0, x1
    b.lo    6b
    dsb     sy
    ic      iallu
    dsb     nsh
    isb
    adrp    x0, __boot_stack_end
    add     x0, x0, :lo12:__boot_stack_end
    mov     sp, x0
    mrs     x0, CurrentEL
    cmp     x0, #8
    b.eq    7f
    mov     x0, x19
    bl      {wrong_level}
    b       park
7:  mov     x0, #(1 << 31)          // HCR_EL2: not the host extensions that firmware may have used
    msr     hcr_el2, x0
    isb
    ldr     x0, ={sctlr_off}
    msr     sctlr_el2, x0
    isb
    adr     x0, vectors
    msr     vbar_el2, x0
    mov     x0, x19
    bl      {early_map}             // returns the SecondaryStart that holds the table registers
    mov     x20, x0
    bl      enable_mmu
    mov     x0, x19
    bl      {boot_entry}
    .global park
park:
    wfe
    b       park

    // x20 = SecondaryStart; clobbers x0 to x3
enable_mmu:
    ldp     x0, x1, [x20]
    ldp     x2, x3, [x20, #16]
    msr     mair_el2, x0
    msr     tcr_el2, x1
    msr     ttbr0_el2, x2
    dsb     sy
    tlbi    alle2
    dsb     nsh
    isb
    msr     sctlr_el2, x3
    isb
    ret

    .global secondary_entry
secondary_entry:
    msr     daifset, #0xf
    mov     x20, x0
    mov     x0, #(1 << 31)          // HCR_EL2, as on the boot CPU
    msr     hcr_el2, x0
    isb
    ldr     x0, ={sctlr_off}
    msr     sctlr_el2, x0
    adr     x0, vectors
    msr     vbar_el2, x0
    ic      iallu
    isb
    bl      enable_mmu
    ldr     x0, [x20, #{stack}]
    mov     sp, x0
    ldr     x0, [x20, #{argument}]
    ldr     x1, [x20, #{entry}]
    mov     x29, #0
    blr     x1
    b       park

    // fn call_on_stack(argument, stack_top, function) -> !
    .global call_on_stack
call_on_stack:
    mov     sp, x1
    mov     x29, #0
    blr     x2
    b       park
    .ltorg
"#,
    sctlr_off = const super::mmu::SCTLR_OFF,
    early_map = sym super::boot::early_map,
    boot_entry = sym super::boot::boot_entry,
    wrong_level = sym super::boot::wrong_level,
    stack = const offset_of!(SecondaryStart, stack),
    entry = const offset_of!(SecondaryStart, entry),
    argument = const offset_of!(SecondaryStart, argument),
);

unsafe extern "C" {
    pub(crate) safe fn secondary_entry();
    pub(crate) fn call_on_stack(argument: u64, stack_top: u64, function: u64) -> !;
    pub(crate) safe fn park() -> !;
}
