#ifndef CTAGLIB_SHIM_H
#define CTAGLIB_SHIM_H

#include <taglib/tag_c.h>

#include <sys/resource.h>

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#define CTAGLIB_HAS_SECCOMP 1
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

/// Takes from the calling thread, for good, all that reading a file's tags does not need: 10 seconds of processor
/// time, 2 GiB of memory, files read and never written, output to descriptor 1 alone, no new program, process,
/// socket or executable memory. What is not allowed fails with an error. Returns 1 when the kernel enforces all of
/// it, 0 when only the limits hold.
static inline int ctaglib_confine(void) {
    const struct rlimit memory = {(rlim_t)2 << 30, (rlim_t)2 << 30}, time = {10, 10}, none = {0, 0};
    setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_CPU, &time);
    setrlimit(RLIMIT_FSIZE, &none);
    setrlimit(RLIMIT_CORE, &none);
#ifdef CTAGLIB_HAS_SECCOMP
#define CTAGLIB_LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define CTAGLIB_RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define CTAGLIB_ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), CTAGLIB_RETURN(SECCOMP_RET_ALLOW)
// If it is this call, and `mask` of the argument is `value`: allowed; if the mask is another: `error`.
#define CTAGLIB_WHEN(name, argument, mask, value, error)                                                          \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 5), CTAGLIB_LOAD(args[argument]),                         \
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (mask)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1),          \
        CTAGLIB_RETURN(SECCOMP_RET_ALLOW), CTAGLIB_RETURN(SECCOMP_RET_ERRNO | (error))
#ifdef __x86_64__
#define CTAGLIB_ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define CTAGLIB_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif
    struct sock_filter filter[] = {
        CTAGLIB_LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CTAGLIB_ARCHITECTURE, 1, 0),
        CTAGLIB_RETURN(SECCOMP_RET_KILL),
        CTAGLIB_LOAD(nr),
        CTAGLIB_ALLOW(read),
        CTAGLIB_ALLOW(pread64),
        CTAGLIB_ALLOW(lseek),
        CTAGLIB_ALLOW(fstat),
        CTAGLIB_ALLOW(newfstatat),
        CTAGLIB_ALLOW(statx),
        CTAGLIB_ALLOW(close),
        CTAGLIB_ALLOW(munmap),
        CTAGLIB_ALLOW(brk),
        CTAGLIB_ALLOW(mremap),
        CTAGLIB_ALLOW(madvise),
        CTAGLIB_ALLOW(futex),
        CTAGLIB_ALLOW(rt_sigreturn),
        CTAGLIB_ALLOW(rt_sigprocmask),
        CTAGLIB_ALLOW(getrandom),
        CTAGLIB_ALLOW(clock_gettime),
        CTAGLIB_ALLOW(exit),
        CTAGLIB_ALLOW(exit_group),
        CTAGLIB_WHEN(write, 0, 0xffffffffu, 1, EPERM),
        // TagLib asks for a file to write first, and for one to read when that fails.
        CTAGLIB_WHEN(openat, 2, O_ACCMODE | O_CREAT | O_TRUNC, 0, EACCES),
        CTAGLIB_WHEN(mmap, 2, PROT_EXEC, 0, EPERM),
        CTAGLIB_WHEN(mprotect, 2, PROT_EXEC, 0, EPERM),
        CTAGLIB_RETURN(SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 0;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
#else
    return 0;
#endif
}

#endif
