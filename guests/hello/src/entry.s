// The Image header (Linux, Documentation/arch/arm64/booting.rst), the entry code and the vectors.

    .section .head, "ax"
    .global _head
_head:
    b       _start
    .long   0
    .quad   0                       // text_offset
    .quad   _end - _head            // image_size
    .quad   0xa                     // flags: 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

    .text
_start:
    adrp    x1, _stack_end
    add     sp, x1, :lo12:_stack_end
    adrp    x1, _bss_start
    add     x1, x1, :lo12:_bss_start
    adrp    x2, _bss_end
    add     x2, x2, :lo12:_bss_end
0:  cmp     x1, x2
    b.hs    1f
    stp     xzr, xzr, [x1], #16
    b       0b
    // Linked at 0: what is found here is the distance to move by.
1:  adr     x3, _head
    adrp    x1, _rela_start
    add     x1, x1, :lo12:_rela_start
    adrp    x2, _rela_end
    add     x2, x2, :lo12:_rela_end
2:  cmp     x1, x2
    b.hs    3f
    ldp     x4, x5, [x1], #16       // where, kind
    ldr     x6, [x1], #8            // addend
    cmp     x5, #1027               // R_AARCH64_RELATIVE
    b.ne    2b
    add     x6, x6, x3
    str     x6, [x3, x4]
    b       2b
3:  adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     vbar_el1, x1
    isb
    bl      guest_main
4:  wfi
    b       4b

    .macro  vector
    .balign 0x80
    stp     x29, x30, [sp, #-192]!
    b       exception_entry
    .endm

    .balign 0x800
vectors:
    .rept   16
    vector
    .endr

exception_entry:
    stp     x0, x1, [sp, #16]
    stp     x2, x3, [sp, #32]
    stp     x4, x5, [sp, #48]
    stp     x6, x7, [sp, #64]
    stp     x8, x9, [sp, #80]
    stp     x10, x11, [sp, #96]
    stp     x12, x13, [sp, #112]
    stp     x14, x15, [sp, #128]
    stp     x16, x17, [sp, #144]
    str     x18, [sp, #160]
    mrs     x0, esr_el1
    mrs     x1, far_el1
    mrs     x2, elr_el1
    bl      guest_exception
    msr     elr_el1, x0
    ldr     x18, [sp, #160]
    ldp     x16, x17, [sp, #144]
    ldp     x14, x15, [sp, #128]
    ldp     x12, x13, [sp, #112]
    ldp     x10, x11, [sp, #96]
    ldp     x8, x9, [sp, #80]
    ldp     x6, x7, [sp, #64]
    ldp     x4, x5, [sp, #48]
    ldp     x2, x3, [sp, #32]
    ldp     x0, x1, [sp, #16]
    ldp     x29, x30, [sp], #192
    eret
