#include "edge/functions/init/seccomp.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace coffer::functions {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "no filter for this architecture"
#endif

/// The newest call that was known when this list was written: what came later is unknown to us, too.
constexpr uint32_t kNumberMax = 462;

/// Whatever reaches for other processes, for mounts and namespaces, for the kernel's configuration and its rarely used
/// corners. Answered with EPERM, as a kernel without them would.
constexpr uint32_t kForbidden[] = {
    // other processes
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_perf_event_open,
    SYS_process_madvise,
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
    // mounts and namespaces
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
#ifdef SYS_open_tree
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
#endif
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_fanotify_init,
    SYS_quotactl,
    SYS_swapon,
    SYS_swapoff,
    // keys, programs and queues in the kernel
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_bpf,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    // the machine
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_syslog,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_personality,
    SYS_lookup_dcookie,
    SYS_nfsservctl,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_vhangup,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
#ifdef SYS_mknod
    SYS_mknod,
#endif
    SYS_mknodat,
};

constexpr uint32_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                    CLONE_NEWPID | CLONE_NEWNET | 0x00000080 /* CLONE_NEWTIME */;

class Filter {
 public:
  void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
  void answer(uint32_t what) { add(BPF_RET | BPF_K, what); }
  /// The next `count` instructions only when the loaded word is (is not) `value`.
  void skip_unless_equal(uint32_t value, uint8_t count) { jump(BPF_JEQ, value, 0, count); }
  void skip_if_equal(uint32_t value, uint8_t count) { jump(BPF_JEQ, value, count, 0); }
  void skip_unless_any_bit(uint32_t bits, uint8_t count) { jump(BPF_JSET, bits, 0, count); }
  void skip_unless_above(uint32_t value, uint8_t count) { jump(BPF_JGT, value, 0, count); }
  bool install() {
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
  }

 private:
  void add(int code, uint32_t k) { code_.push_back({static_cast<uint16_t>(code), 0, 0, k}); }
  void jump(int how, uint32_t k, uint8_t yes, uint8_t no) {
    code_.push_back({static_cast<uint16_t>(BPF_JMP | how | BPF_K), yes, no, k});
  }
  std::vector<sock_filter> code_;
};

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW, kKill = SECCOMP_RET_KILL_PROCESS;
constexpr uint32_t refuse(uint32_t error) { return SECCOMP_RET_ERRNO | error; }

/// The low word of an argument; both architectures are little-endian.
constexpr size_t argument(size_t index) { return offsetof(seccomp_data, args) + 8 * index; }

}  // namespace

bool forbid_system_calls() {
  Filter filter;
  filter.load(offsetof(seccomp_data, arch));
  filter.skip_if_equal(kArchitecture, 1);
  filter.answer(kKill);
  filter.load(offsetof(seccomp_data, nr));
  // x32 calls have a high bit, new calls high numbers.
  filter.skip_unless_above(kNumberMax, 1);
  filter.answer(refuse(ENOSYS));
  for (uint32_t number : kForbidden) {
    filter.skip_unless_equal(number, 1);
    filter.answer(refuse(EPERM));
  }
  // Its flags lie in memory, where no filter looks: libraries go back to clone().
  filter.skip_unless_equal(SYS_clone3, 1);
  filter.answer(refuse(ENOSYS));
  filter.skip_unless_equal(SYS_clone, 4);
  filter.load(argument(0));
  filter.skip_unless_any_bit(kNewNamespaces, 1);
  filter.answer(refuse(EPERM));
  filter.answer(kAllow);
  // Families: local and internet.
  filter.skip_unless_equal(SYS_socket, 6);
  filter.load(argument(0));
  filter.skip_if_equal(AF_UNIX, 3);
  filter.skip_if_equal(AF_INET, 2);
  filter.skip_if_equal(AF_INET6, 1);
  filter.answer(refuse(EAFNOSUPPORT));
  filter.answer(kAllow);
  // Typing into a terminal that somebody else reads.
  filter.skip_unless_equal(SYS_ioctl, 4);
  filter.load(argument(1));
  filter.skip_unless_equal(TIOCSTI, 1);
  filter.answer(refuse(EPERM));
  filter.answer(kAllow);
  filter.answer(kAllow);
  return filter.install();
}

}  // namespace coffer::functions
