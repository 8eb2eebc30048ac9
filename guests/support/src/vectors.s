// The exception vectors. What an exception does is a hook of the vCPU's block (`cpu.rs`), whose
// address is in TPIDR_EL1; offsets below are those of `Block`. A hook gets the block in x1, may use
// x0 to x2 and finds the interrupted x0, x1, x2, x30 on the stack. Short on purpose: what the guest
// spends here is part of every figure that has an exception in it.

    .set    IRQ_HOOK, 0
    .set    SYNC_HOOK, 8
    .set    IRQ_COUNT, 16
    .set    IRQ_LAST, 24
    .set    IRQ_TIME, 32
    .set    SLIDE, 40
    .set    SYNC_COUNT, 48
    .set    SYNDROME, 56
    .set    FAULT_ADDRESS, 64
    .set    RETURN_ADDRESS, 72
    .set    REPLY, 80
    .set    TIMER_CONTROL, 88

    .macro  sync_vector
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

    .macro  irq_vector
    .balign 0x80
    stp     x0, x1, [sp, #-32]!
    stp     x2, x30, [sp, #16]
    mrs     x1, tpidr_el1
    mrs     x0, S3_0_C12_C12_0      // ICC_IAR1_EL1
    ldr     x2, [x1, #IRQ_HOOK]
    blr     x2
    msr     S3_0_C12_C12_1, x0      // ICC_EOIR1_EL1
    ldp     x2, x30, [sp, #16]
    ldp     x0, x1, [sp], #32
    eret
    .endm

    .text
    .balign 0x800
    .global vectors
vectors:
    .rept   4
    sync_vector
    irq_vector
    sync_vector
    sync_vector
    .endr

// Counts the interrupt.
    .global irq_count
irq_count:
    ldr     x2, [x1, #IRQ_COUNT]
    add     x2, x2, #1
    str     x2, [x1, #IRQ_COUNT]
    str     x0, [x1, #IRQ_LAST]
    ret

// Counts the interrupt and sends the SGI that the block holds.
    .global irq_reply
irq_reply:
    ldr     x2, [x1, #IRQ_COUNT]
    add     x2, x2, #1
    str     x2, [x1, #IRQ_COUNT]
    ldr     x2, [x1, #REPLY]
    msr     S3_0_C12_C11_5, x2      // ICC_SGI1R_EL1
    isb
    ret

// Notes the counter, after as many instructions more as the block's place in the slide says, stops
// the timer and counts. The slide lets sixteen reads, one a place, find the exact instruction
// although the counter ticks only every sixteenth.
    .macro  timer_hook name, counter, control
    .global \name
    .global \name\()_slide_end
\name:
    ldr     x2, [x1, #SLIDE]
    br      x2
    .rept   15
    nop
    .endr
\name\()_slide_end:
    mrs     x2, \counter
    str     x2, [x1, #IRQ_TIME]
    mrs     x2, \control
    str     x2, [x1, #TIMER_CONTROL]
    msr     \control, xzr
    isb
    ldr     x2, [x1, #IRQ_COUNT]
    add     x2, x2, #1
    str     x2, [x1, #IRQ_COUNT]
    str     x0, [x1, #IRQ_LAST]
    ret
    .endm
    timer_hook irq_virtual_timer, cntvct_el0, cntv_ctl_el0
    timer_hook irq_physical_timer, cntpct_el0, cntp_ctl_el0

// Counts the exception and goes on behind the instruction.
    .global sync_skip
sync_skip:
    mrs     x0, elr_el1
    add     x0, x0, #4
    msr     elr_el1, x0
    ldr     x2, [x1, #SYNC_COUNT]
    add     x2, x2, #1
    str     x2, [x1, #SYNC_COUNT]
    ret

// Notes what the exception says and goes on: behind the instruction, or, when there was none to
// be fetched, where the caller wants to go on (x30).
    .global sync_record
sync_record:
    mrs     x0, esr_el1
    str     x0, [x1, #SYNDROME]
    mrs     x2, far_el1
    str     x2, [x1, #FAULT_ADDRESS]
    mrs     x2, elr_el1
    str     x2, [x1, #RETURN_ADDRESS]
    add     x2, x2, #4
    lsr     x0, x0, #26
    cmp     x0, #0x21               // instruction abort from the same level
    b.eq    0f
    cmp     x0, #0x22               // misaligned program counter
    b.ne    1f
0:  ldr     x2, [sp, #24]
1:  msr     elr_el1, x2
    ldr     x2, [x1, #SYNC_COUNT]
    add     x2, x2, #1
    str     x2, [x1, #SYNC_COUNT]
    ret
