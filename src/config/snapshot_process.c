/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_process.c - [culvert], [limits], [log], [admin] and [metrics] of a snapshot.
 */
#include "config/snapshot_process.h"

#include <stdlib.h>
#include <unistd.h>

#include "config/machine.h"
#include "config/snapshot_access.h"
#include "config/snapshot_value.h"

#define CONTROL_SOCKET_FOLDER "/run/culvert"

unsigned snapshot_workers(const struct settings *settings)
{
    const struct section *section = settings_first(settings, SECTION_CULVERT);
    const struct item *item = settings_item(settings, section, CULVERT_WORKERS);
    int64_t workers = item->word == 0 ? machine_processors("") : item->number;
    int64_t most = option_table[CULVERT_WORKERS].most;

    return (unsigned)(workers > most ? most : workers);
}

static bool fill_culvert(const struct settings *settings, struct process_config *process)
{
    const struct section *section = settings_first(settings, SECTION_CULVERT);
    const char *name = settings_text(settings, section, CULVERT_NAME);
    char host[256] = "culvert";

    if (name == NULL && gethostname(host, sizeof(host)) == 0)
        host[sizeof(host) - 1] = '\0';
    process->workers = (int)snapshot_workers(settings);
    process->cpu_affinity = settings_number(settings, section, CULVERT_CPU_AFFINITY) != 0;
    process->open_files = (int)settings_number(settings, section, CULVERT_OPEN_FILES);
    process->drain_timeout_ms = settings_ms(settings, section, CULVERT_DRAIN_TIMEOUT);
    process->drain_delay_ms = settings_ms(settings, section, CULVERT_DRAIN_DELAY);
    return snapshot_copy(&process->name, name == NULL ? host : name) &&
           snapshot_copy(&process->user, settings_text(settings, section, CULVERT_USER)) &&
           snapshot_copy(&process->group, settings_text(settings, section, CULVERT_GROUP)) &&
           snapshot_copy(&process->pid_file, settings_text(settings, section, CULVERT_PID_FILE));
}

/* The largest pipe of all listeners: pipes are shared. */
static size_t pipe_size(const struct settings *settings)
{
    const struct section *listener = settings_first(settings, SECTION_LISTEN);
    int64_t largest = 0;

    for (; listener != NULL; listener = section_next(listener)) {
        int64_t size = settings_number(settings, listener, LISTEN_PIPE_SIZE);

        if (size > largest)
            largest = size;
    }
    return (size_t)largest;
}

static size_t buffer_memory(const struct item *item)
{
    uint64_t bytes = (uint64_t)item->number;

    if (item->is_percent)
        bytes = machine_memory("") / 100 * (uint64_t)item->number;
    return bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes;
}

static void fill_limits(const struct settings *settings, struct process_config *process)
{
    static const enum on_limit words[] = {ON_LIMIT_PAUSE, ON_LIMIT_RESET, ON_LIMIT_CLOSE};
    const struct section *section = settings_first(settings, SECTION_LIMITS);
    const struct item *pipes = settings_item(settings, section, LIMITS_MAX_PIPES);

    process->max_connections = (int)settings_number(settings, section, LIMITS_MAX_CONNECTIONS);
    process->on_limit = words[settings_word(settings, section, LIMITS_ON_LIMIT)];
    process->per_source = (struct source_limits){
        .max_connections = (int)settings_number(settings, section, LIMITS_MAX_CONNECTIONS_PER_IP),
        .connection_rate =
            snapshot_rate(settings, section, LIMITS_CONNECTION_RATE_PER_IP, SOURCE_BURST_MS),
    };
    process->connection_rate =
        snapshot_rate(settings, section, LIMITS_CONNECTION_RATE, CONNECTION_BURST_MS);
    process->ipv6_prefix = (int)settings_number(settings, section, LIMITS_IPV6_PREFIX);
    process->tracked_ips = (int)settings_number(settings, section, LIMITS_TRACKED_IPS);
    process->buffer_memory = buffer_memory(settings_item(settings, section, LIMITS_BUFFER_MEMORY));
    process->max_pipes = pipes->word == 0 ? -1 : (int)pipes->number;
    process->pipe_size = pipe_size(settings);
}

static bool fill_log(const struct settings *settings, struct process_config *process)
{
    static const enum log_level levels[] = {LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE};
    /* In the order of the words: auto text logfmt json. */
    static const int formats[] = {-1, LOG_TEXT, LOG_LOGFMT, LOG_JSON};
    static const int colors[] = {-1, 1, 0};
    static const int timestamps[] = {-1, 1, 0};
    static const enum client_ip client_ips[] = {CLIENT_IP_FULL, CLIENT_IP_MASKED, CLIENT_IP_OFF};
    const struct section *section = settings_first(settings, SECTION_LOG);
    int access_format = settings_word(settings, section, LOG_OPTION_ACCESS_FORMAT);

    process->log_level = levels[settings_word(settings, section, LOG_OPTION_LEVEL)];
    process->log_format = formats[settings_word(settings, section, LOG_OPTION_FORMAT)];
    process->log_color = colors[settings_word(settings, section, LOG_OPTION_COLOR)];
    process->log_timestamps = timestamps[settings_word(settings, section, LOG_OPTION_TIMESTAMPS)];
    process->access_format = access_format < 0 ? -2 : formats[access_format];
    process->client_ip = client_ips[settings_word(settings, section, LOG_OPTION_CLIENT_IP)];
    process->log_queue = (int)settings_number(settings, section, LOG_OPTION_QUEUE);
    return snapshot_copy(&process->log_output,
                         settings_text(settings, section, LOG_OPTION_OUTPUT)) &&
           snapshot_copy(&process->access_output,
                         settings_text(settings, section, LOG_OPTION_ACCESS_OUTPUT)) &&
           snapshot_copy(&process->syslog_facility,
                         settings_text(settings, section, LOG_OPTION_SYSLOG_FACILITY)) &&
           snapshot_copy(&process->syslog_tag,
                         settings_text(settings, section, LOG_OPTION_SYSLOG_TAG));
}

static bool has_addr(const struct addr *addrs, unsigned count, const struct addr *addr)
{
    for (unsigned i = 0; i < count; i++) {
        if (addr_equal(&addrs[i], addr))
            return true;
    }
    return false;
}

/* The TCP addresses of a control section without `others`. */
static bool fill_control_binds(const struct setting *bind, const struct addr *others,
                               unsigned other_count, struct addr **addrs, unsigned *count)
{
    *addrs = calloc(snapshot_binds(bind, NULL) + 1, sizeof(**addrs));
    if (*addrs == NULL)
        return false;
    size_t all = snapshot_binds(bind, *addrs);
    for (size_t i = 0; i < all; i++) {
        struct addr addr = (*addrs)[i];

        if (addr.family != AF_UNIX && !has_addr(others, other_count, &addr))
            (*addrs)[(*count)++] = addr;
    }
    return true;
}

static bool fill_control(const struct settings *settings, struct process_config *process)
{
    const struct section *admin = settings_first(settings, SECTION_ADMIN);
    const struct section *metrics = settings_first(settings, SECTION_METRICS);
    const struct item *socket = settings_item(settings, admin, ADMIN_SOCKET);
    const char *path = NULL;

    if (socket == NULL) /* the usual place, if it is free */
        path = access(CONTROL_SOCKET_FOLDER, W_OK) == 0 ? "" : NULL;
    else if (socket->word < 0)
        path = socket->text;
    process->admin_socket_mode = (mode_t)settings_number(settings, admin, ADMIN_SOCKET_MODE);
    process->admin_socket_group = snapshot_group(settings, admin, ADMIN_SOCKET_GROUP);
    process->max_sessions_listed = (int)settings_number(settings, admin, ADMIN_MAX_SESSIONS_LISTED);
    return snapshot_copy(&process->admin_socket, path) &&
           fill_control_binds(settings_get(settings, admin, ADMIN_BIND), NULL, 0,
                              &process->admin_binds, &process->admin_bind_count) &&
           fill_control_binds(settings_get(settings, metrics, METRICS_BIND), process->admin_binds,
                              process->admin_bind_count, &process->metrics_binds,
                              &process->metrics_bind_count);
}

bool snapshot_process_fill(const struct settings *settings, struct process_config *process)
{
    fill_limits(settings, process);
    return fill_culvert(settings, process) && fill_log(settings, process) &&
           fill_control(settings, process);
}
