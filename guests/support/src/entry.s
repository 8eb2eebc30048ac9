// The Image header (Linux, Documentation/arch/arm64/booting.rst) and the entry code.

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
// Everything that the guest starts with is kept in `entry_record`; no stack exists yet, so the
// stack pointer holds one register meanwhile.
_start:
    mov     sp, x9
    adrp    x9, entry_record
    add     x9, x9, :lo12:entry_record
    stp     x0, x1, [x9, #0]
    mrs     x1, cntpct_el0
    str     x1, [x9, #248]
    stp     x2, x3, [x9, #16]
    stp     x4, x5, [x9, #32]
    stp     x6, x7, [x9, #48]
    str     x8, [x9, #64]
    mov     x8, sp
    stp     x8, x10, [x9, #72]
    stp     x11, x12, [x9, #88]
    stp     x13, x14, [x9, #104]
    stp     x15, x16, [x9, #120]
    stp     x17, x18, [x9, #136]
    stp     x19, x20, [x9, #152]
    stp     x21, x22, [x9, #168]
    stp     x23, x24, [x9, #184]
    stp     x25, x26, [x9, #200]
    stp     x27, x28, [x9, #216]
    stp     x29, x30, [x9, #232]
    mrs     x1, daif
    mrs     x2, currentel
    stp     x1, x2, [x9, #256]
    mrs     x1, spsel
    mrs     x2, vbar_el1
    stp     x1, x2, [x9, #272]

    msr     spsel, #1
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
    bl      support_start
4:  wfi
    b       4b

// Where CPU_ON starts a vCPU: x0 is its number. What else is not zero goes on in x1.
    .global secondary_start
secondary_start:
    orr     x1, x1, x2
    orr     x1, x1, x3
    orr     x1, x1, x4
    orr     x1, x1, x5
    orr     x1, x1, x6
    orr     x1, x1, x7
    orr     x1, x1, x8
    orr     x1, x1, x9
    orr     x1, x1, x10
    orr     x1, x1, x11
    orr     x1, x1, x12
    orr     x1, x1, x13
    orr     x1, x1, x14
    orr     x1, x1, x15
    orr     x1, x1, x16
    orr     x1, x1, x17
    orr     x1, x1, x18
    orr     x1, x1, x19
    orr     x1, x1, x20
    orr     x1, x1, x21
    orr     x1, x1, x22
    orr     x1, x1, x23
    orr     x1, x1, x24
    orr     x1, x1, x25
    orr     x1, x1, x26
    orr     x1, x1, x27
    orr     x1, x1, x28
    orr     x1, x1, x29
    orr     x1, x1, x30
    mrs     x2, spsel
    mrs     x3, daif
    msr     spsel, #1
    adrp    x4, _stack_end
    add     x4, x4, :lo12:_stack_end
    lsl     x5, x0, #15
    sub     x4, x4, x5
    mov     sp, x4
    adrp    x4, vectors
    add     x4, x4, :lo12:vectors
    msr     vbar_el1, x4
    isb
    bl      support_secondary
5:  wfi
    b       5b

    .data
    .balign 16
    .global entry_record
entry_record:
    .skip   288
