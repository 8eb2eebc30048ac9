// The exception vectors of a guest with a GICv2: as those in vectors.s, but interrupts are
// acknowledged and ended in the memory-mapped CPU interface. A section of its own, so that only
// guests that use it have it.

    .macro  sync_vector_v2
    .balign 0x80
    stp     x0, x1, [sp, #-32]!
    stp     x2, x30, [sp, #16]
    mrs     x1, tpidr_el1
    ldr     x2, [x1, #SYNC_HOOK]
    blr     x2
    ldp     x2, x30, [sp, #16]
    ldp     x0, x1, [sp], #32
    eret
    .endm

    .macro  irq_vector_v2
    .balign 0x80
    stp     x0, x1, [sp, #-32]!
    stp     x2, x30, [sp, #16]
    mrs     x1, tpidr_el1
    movz    x0, #{interface} >> 16, lsl #16
    movk    x0, #{interface} & 0xffff
    ldr     w0, [x0, #0xc]          // GICC_IAR
    ldr     x2, [x1, #IRQ_HOOK]
    blr     x2
    movz    x1, #{interface} >> 16, lsl #16
    movk    x1, #{interface} & 0xffff
    str     w0, [x1, #0x10]         // GICC_EOIR
    ldp     x2, x30, [sp, #16]
    ldp     x0, x1, [sp], #32
    eret
    .endm

    .section .text.vectors_v2, "ax"
    .balign 0x800
    .global vectors_v2
vectors_v2:
    .rept   4
    sync_vector_v2
    irq_vector_v2
    sync_vector_v2
    sync_vector_v2
    .endr
