// Why a process cannot serve, in one clear line.

import Glibc
import Pipeline
import Ring

extension ListenError {
    /// One clear line.
    package var text: String {
        switch self {
        case .inUse(let address): "cannot bind '\(address)': Address already in use"
        case .denied(let address): "cannot bind '\(address)': Permission denied"
        case .option(let address, let level, let name, let error):
            unsafe "cannot set socket option \(name) of level \(level) on '\(address)': \(String(cString: strerror(error)))"
        case .other(let address, let error): unsafe "cannot bind '\(address)': \(String(cString: strerror(error)))"
        }
    }
}

extension RingError {
    package var text: String {
        switch self {
        case .setup(let error) where error == EPERM || error == EACCES:
            "io_uring is not allowed here (EPERM): set the sysctl kernel.io_uring_disabled to 0, and let the container's seccomp profile pass io_uring_setup, io_uring_enter and io_uring_register"
        case .setup(let error) where error == ENOSYS:
            "there is no io_uring here (ENOSYS): Linux 6.1 or newer is needed, and a seccomp profile that passes io_uring_setup, io_uring_enter and io_uring_register"
        case .setup(let error) where error == ENOMEM:
            unsafe "io_uring cannot be set up (\(String(cString: strerror(error)))): raise the limit of locked memory (ulimit -l) or the memory of the container"
        case .setup(let error): unsafe "io_uring cannot be set up: \(String(cString: strerror(error)))"
        case .kernelTooOld: "the kernel's io_uring is too old: Linux 6.1 or newer is needed"
        case .buffers(let error): unsafe "receive buffers cannot be registered: \(String(cString: strerror(error)))"
        }
    }
}
