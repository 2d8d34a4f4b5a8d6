/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.c - listening and connecting sockets: options, unix socket files, and error texts that
 * say what to do.
 */
#include "net/socket.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "net/source_address.h"

/* The kernel's bounds for TCP_KEEPIDLE and TCP_KEEPINTVL in seconds, and TCP_KEEPCNT (tcp(7)). */
#define KEEPALIVE_SECONDS_MAX 32767
#define KEEPALIVE_PROBES_MAX 127

/* How long to wait for another culvert that is putting a socket into the same directory. */
#define DIRECTORY_LOCK_TRIES 100
#define DIRECTORY_LOCK_PAUSE_MS 20

static int seconds_rounded_up(int64_t ms, int most)
{
    int64_t seconds = (ms + 999) / 1000;

    return seconds > most ? most : (int)seconds;
}

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) != -1;
}

/* TCP_KEEPCNT only `with_probes`: see socket_guard(). */
static void apply_keepalive(int fd, const struct socket_options *options, bool with_probes)
{
    if (options->keepalive_ms <= 0)
        return;
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE,
               seconds_rounded_up(options->keepalive_ms, KEEPALIVE_SECONDS_MAX));
    if (options->keepalive_interval_ms > 0)
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL,
                   seconds_rounded_up(options->keepalive_interval_ms, KEEPALIVE_SECONDS_MAX));
    if (with_probes && options->keepalive_probes > 0)
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT,
                   options->keepalive_probes > KEEPALIVE_PROBES_MAX ? KEEPALIVE_PROBES_MAX
                                                                    : options->keepalive_probes);
}

/*
 * No option here can fail on a socket of the right family but for a bad value, which the
 * configuration has excluded; a socket without one of them still relays correctly.
 */
static void apply_stream_options(int fd, sa_family_t family, const struct socket_options *options)
{
    set_option(fd, SOL_SOCKET, SO_OOBINLINE, 1);
    if (options->send_buffer > 0)
        set_option(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
    if (options->receive_buffer > 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
    if (family != AF_UNIX && options->nodelay)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void apply_guards(int fd, const struct socket_options *options, bool with_probes)
{
    apply_keepalive(fd, options, with_probes);
    if (options->user_timeout_ms > 0)
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                   options->user_timeout_ms > INT_MAX ? INT_MAX : (int)options->user_timeout_ms);
}

/* All of them: on a listening socket, for the accepted ones to inherit. */
static void apply_options(int fd, sa_family_t family, const struct socket_options *options)
{
    apply_stream_options(fd, family, options);
    if (family != AF_UNIX)
        apply_guards(fd, options, true);
}

static bool listen_failed(const struct addr *addr, int code, const char *what_to_do,
                          struct error *error)
{
    char text[ADDR_TEXT_BYTES];

    return error_set(error, code, "cannot listen on %s: %s", addr_text(addr, text), what_to_do);
}

/* Words what went wrong with a TCP address. */
static bool tcp_listen_failed(const struct addr *addr, const struct listen_options *options,
                              int cause, struct error *error)
{
    char what[256];

    switch (cause) {
    case EADDRINUSE:
        if (options->reuse_port)
            snprintf(what, sizeof(what),
                     "the address is in use by a process of another user or without SO_REUSEPORT; "
                     "\"ss -ltnp sport = :%u\" shows it",
                     addr->port);
        else
            snprintf(what, sizeof(what),
                     "the address is in use; stop the process that listens there "
                     "(\"ss -ltnp sport = :%u\" shows it) or choose another address",
                     addr->port);
        return listen_failed(addr, EX_UNAVAILABLE, what, error);
    case EACCES:
    case EPERM:
        if (options->transparent && !source_address_may_be_any())
            snprintf(what, sizeof(what),
                     "transparent = yes needs the capability CAP_NET_ADMIN (AmbientCapabilities= "
                     "in systemd, --cap-add in docker)");
        else if (addr->port != 0 && addr->port < 1024)
            snprintf(what, sizeof(what),
                     "a port below 1024 needs the capability CAP_NET_BIND_SERVICE or "
                     "\"sysctl net.ipv4.ip_unprivileged_port_start=%u\"",
                     addr->port);
        else
            snprintf(what, sizeof(what), "%s (a security policy of this machine forbids it)",
                     strerror(cause));
        return listen_failed(addr, EX_NOPERM, what, error);
    case EADDRNOTAVAIL:
        return listen_failed(addr, EX_UNAVAILABLE,
                             "no interface of this machine has the address; add it, or set "
                             "freebind = yes to listen before it appears",
                             error);
    case EAFNOSUPPORT:
        return listen_failed(addr, EX_UNAVAILABLE,
                             "this machine does not support the address family (is IPv6 disabled?)",
                             error);
    case EMFILE:
    case ENFILE:
        return listen_failed(addr, EX_UNAVAILABLE,
                             "too few file descriptors; raise RLIMIT_NOFILE (LimitNOFILE= in "
                             "systemd, ulimit -n in a shell)",
                             error);
    default:
        return listen_failed(addr, EX_UNAVAILABLE, strerror(cause), error);
    }
}

/* Opens and binds one socket of the group; -1 with errno otherwise. */
static int bind_tcp(const struct sockaddr_storage *storage, socklen_t length,
                    const struct listen_options *options, bool joins_group)
{
    int fd = socket(storage->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int cause;

    if (fd == -1)
        return -1;
    /* Connections in TIME_WAIT must not keep a restart from the address. */
    if (!set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1))
        goto fail;
    if ((joins_group || options->reuse_port) && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1))
        goto fail;
    if (storage->ss_family == AF_INET6 &&
        !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6_only))
        goto fail;
    if (options->freebind && !set_option(fd, IPPROTO_IP, IP_FREEBIND, 1))
        goto fail;
    if (options->transparent) {
        cause = source_address_allow_any(fd, storage->ss_family);
        if (cause != 0) {
            errno = cause;
            goto fail;
        }
    }
    if (options->defer_accept_ms > 0 &&
        !set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT,
                    seconds_rounded_up(options->defer_accept_ms, KEEPALIVE_SECONDS_MAX)))
        goto fail;
    apply_options(fd, storage->ss_family, &options->socket);
    if (bind(fd, (const struct sockaddr *)storage, length) == -1)
        goto fail;
    return fd;

fail:
    cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

/* Where the first socket of a group was bound, for the others: the port may have been 0. */
static bool bound_to(int fd, struct sockaddr_storage *storage, socklen_t *length)
{
    *length = sizeof(*storage);
    return getsockname(fd, (struct sockaddr *)storage, length) != -1;
}

static bool listen_tcp(const struct addr *addr, const struct listen_options *options, int *fds,
                       int count, struct error *error)
{
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(addr, &storage);
    int cause;

    fds[0] = bind_tcp(&storage, length, options, false);
    if (fds[0] == -1)
        goto fail;
    if (count > 1) {
        if (!set_option(fds[0], SOL_SOCKET, SO_REUSEPORT, 1) ||
            !bound_to(fds[0], &storage, &length))
            goto fail;
        for (int i = 1; i < count; i++) {
            fds[i] = bind_tcp(&storage, length, options, true);
            if (fds[i] == -1)
                goto fail;
        }
    }
    for (int i = 0; i < count; i++) {
        if (listen(fds[i], options->backlog) == -1)
            goto fail;
    }
    return true;

fail:
    cause = errno;
    for (int i = 0; i < count; i++) {
        if (fds[i] != -1)
            close(fds[i]);
        fds[i] = -1;
    }
    return tcp_listen_failed(addr, options, cause, error);
}

/*
 * What answers at a unix path: 0 when somebody listens there, ECONNREFUSED when nobody does, else
 * the errno that kept us from finding out.
 */
static int probe_unix(const struct sockaddr_storage *storage, socklen_t length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int cause = 0;

    if (fd == -1)
        return errno;
    /* EAGAIN: the backlog of a listener is full. */
    if (connect(fd, (const struct sockaddr *)storage, length) == -1 && errno != EAGAIN)
        cause = errno;
    close(fd);
    return cause;
}

/* Removes what is at the path if it is a socket without a listener; false with the error set. */
static bool remove_stale(const struct addr *addr, const struct sockaddr_storage *storage,
                         socklen_t length, struct error *error)
{
    char what[256];
    struct stat status;

    if (lstat(addr->path, &status) == -1) {
        if (errno == ENOENT)
            return true; /* somebody else removed it meanwhile */
        snprintf(what, sizeof(what), "cannot look at the file: %s", strerror(errno));
        return listen_failed(addr, EX_NOPERM, what, error);
    }
    if (S_ISLNK(status.st_mode))
        return listen_failed(addr, EX_UNAVAILABLE,
                             "the path is a symbolic link; name the place itself or remove it",
                             error);
    if (!S_ISSOCK(status.st_mode))
        return listen_failed(addr, EX_UNAVAILABLE,
                             "a file that is no socket is in the way; remove it or choose "
                             "another path",
                             error);
    switch (probe_unix(storage, length)) {
    case 0:
    case EPROTOTYPE: /* a datagram socket that is in use */
        return listen_failed(addr, EX_UNAVAILABLE,
                             "another process listens there; stop it or choose another path",
                             error);
    case ECONNREFUSED:
        break;
    case ENOENT:
        return true;
    default:
        return listen_failed(addr, EX_NOPERM,
                             "a socket of another user is in the way, and whether anybody listens "
                             "on it cannot be seen; remove it or choose another path",
                             error);
    }
    if (unlink(addr->path) == -1 && errno != ENOENT) {
        snprintf(what, sizeof(what), "cannot remove the stale socket that is in the way: %s",
                 strerror(errno));
        return listen_failed(addr, EX_NOPERM, what, error);
    }
    return true;
}

/* Words what went wrong when a unix path was bound. */
static bool unix_listen_failed(const struct addr *addr, int cause, struct error *error)
{
    switch (cause) {
    case EADDRINUSE:
        return listen_failed(addr, EX_UNAVAILABLE,
                             "another process listens there; stop it or choose another path",
                             error);
    case ENOENT:
    case ENOTDIR:
        return listen_failed(addr, EX_UNAVAILABLE, "its directory does not exist; create it first",
                             error);
    case EACCES:
    case EPERM:
        return listen_failed(addr, EX_NOPERM, "no permission to create a file in its directory",
                             error);
    default:
        return listen_failed(addr, EX_UNAVAILABLE, strerror(cause), error);
    }
}

/*
 * Locks the directory of a unix path against other culverts: a socket looks stale between its
 * bind(2) and its listen(2). Returns the descriptor that holds the lock, or -1 when the directory
 * cannot be read or somebody keeps the lock: then the race is left to chance.
 */
static int lock_directory(const char *path)
{
    char directory[ADDR_PATH_MAX + 1];
    const char *slash = strrchr(path, '/');
    const struct timespec pause = {.tv_nsec = DIRECTORY_LOCK_PAUSE_MS * 1000000L};
    int fd;

    if (slash == NULL)
        snprintf(directory, sizeof(directory), ".");
    else
        snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path),
                 path);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return -1;
    for (int i = 0; i < DIRECTORY_LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) != -1)
            return fd;
        nanosleep(&pause, NULL);
    }
    close(fd);
    return -1;
}

/* Group and mode of the bound socket's file; false with the error set. */
static bool set_file_access(const struct addr *addr, const struct listen_options *options,
                            struct error *error)
{
    char what[256];

    if (options->socket_group != (gid_t)-1 &&
        lchown(addr->path, (uid_t)-1, options->socket_group) == -1) {
        snprintf(what, sizeof(what),
                 "cannot give the file to group %u: %s (only root or a member "
                 "of the group may)",
                 (unsigned)options->socket_group, strerror(errno));
        return listen_failed(addr, EX_NOPERM, what, error);
    }
    if (fchmodat(AT_FDCWD, addr->path, options->socket_mode, AT_SYMLINK_NOFOLLOW) == -1) {
        snprintf(what, sizeof(what), "cannot set mode %04o: %s", (unsigned)options->socket_mode,
                 strerror(errno));
        return listen_failed(addr, EX_NOPERM, what, error);
    }
    return true;
}

/* Binds the path, replacing a stale socket; false with the error set. */
static bool bind_path(int fd, const struct addr *addr, const struct sockaddr_storage *storage,
                      socklen_t length, struct error *error)
{
    if (bind(fd, (const struct sockaddr *)storage, length) != -1)
        return true;
    if (errno != EADDRINUSE || addr->is_abstract)
        return unix_listen_failed(addr, errno, error);
    if (!remove_stale(addr, storage, length, error))
        return false;
    if (bind(fd, (const struct sockaddr *)storage, length) == -1)
        return unix_listen_failed(addr, errno, error);
    return true;
}

static bool listen_unix(const struct addr *addr, const struct listen_options *options, int *fds,
                        struct error *error)
{
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(addr, &storage);
    int directory = -1;
    bool is_bound = false;

    if (addr->path == NULL || addr->path[0] == '\0' || strlen(addr->path) > ADDR_PATH_MAX)
        return listen_failed(addr, EX_UNAVAILABLE, "a unix path has 1 to 107 bytes", error);
    fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fds[0] == -1)
        return unix_listen_failed(addr, errno, error);
    apply_options(fds[0], AF_UNIX, &options->socket);
    /*
     * Linux creates the file with the socket's own mode less the umask, so it is never more open
     * than asked for; and nobody can connect before listen(2), when mode and group are in force.
     */
    if (!addr->is_abstract) {
        fchmod(fds[0], options->socket_mode);
        directory = lock_directory(addr->path);
    }
    if (!bind_path(fds[0], addr, &storage, length, error))
        goto fail;
    is_bound = true;
    if (!addr->is_abstract && !set_file_access(addr, options, error))
        goto fail;
    if (listen(fds[0], options->backlog) == -1) {
        unix_listen_failed(addr, errno, error);
        goto fail;
    }
    if (directory != -1)
        close(directory);
    return true;

fail:
    if (is_bound && !addr->is_abstract)
        unlink(addr->path);
    close(fds[0]);
    fds[0] = -1;
    if (directory != -1)
        close(directory);
    return false;
}

bool socket_listen(const struct addr *addr, const struct listen_options *options, int *fds,
                   int count, struct error *error)
{
    assert(count >= 1);
    for (int i = 0; i < count; i++)
        fds[i] = -1;
    switch (addr->family) {
    case AF_INET:
    case AF_INET6:
        return listen_tcp(addr, options, fds, count, error);
    case AF_UNIX:
        return listen_unix(addr, options, fds, error);
    default:
        return listen_failed(addr, EX_UNAVAILABLE, "the address is not set", error);
    }
}

bool socket_local_addr(int fd, struct addr *addr)
{
    struct sockaddr_storage storage;
    socklen_t length;

    if (!bound_to(fd, &storage, &length))
        return false;
    addr_from_sockaddr(addr, (const struct sockaddr *)&storage, length);
    return true;
}

void socket_unlink(const struct addr *addr)
{
    struct sockaddr_storage storage;
    socklen_t length;
    struct stat status;
    int directory;

    if (addr->family != AF_UNIX || addr->is_abstract || addr->path == NULL)
        return;
    length = addr_to_sockaddr(addr, &storage);
    directory = lock_directory(addr->path);
    if (lstat(addr->path, &status) != -1 && S_ISSOCK(status.st_mode) &&
        probe_unix(&storage, length) == ECONNREFUSED)
        unlink(addr->path);
    if (directory != -1)
        close(directory);
}

int socket_open(const struct addr *addr, const struct socket_options *options)
{
    int fd = socket(addr->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return -1;
    apply_stream_options(fd, addr->family, options);
    return fd;
}

int socket_connect(int fd, const struct addr *addr)
{
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(addr, &storage);

    if (length == 0)
        return EAFNOSUPPORT; /* an address that was never set */
    if (connect(fd, (const struct sockaddr *)&storage, length) != -1)
        return 0;
    /* Interrupted or not, the attempt goes on in the kernel (connect(2)). */
    return errno == EINTR ? EINPROGRESS : errno;
}

void socket_guard(int fd, const struct socket_options *options)
{
    /* With TCP_USER_TIMEOUT the kernel does not look at TCP_KEEPCNT (tcp(7)): one call less. */
    apply_guards(fd, options, options->user_timeout_ms <= 0);
}

void socket_reset_close(int fd)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

bool socket_forget(int fd)
{
    const int on = 1;

    /* A socket under repair ends without a word (tcp(7) does not say so; CRIU lives by it). */
    if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) == -1)
        return false;
    close(fd);
    return true;
}

int socket_unacknowledged(int fd)
{
    int bytes;

    return ioctl(fd, SIOCOUTQ, &bytes) == -1 ? 0 : bytes;
}
