/* SPDX-License-Identifier: Apache-2.0 */
/*
 * announce.c - the banner and the `ready` record.
 */
#include "daemon/announce.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/log.h"
#include "core/text.h"
#include "pool/balance.h"
#include "pool/pool.h"

bool announce_has_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0')
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

/* " api (2 servers, leastconn), mail (1)": the pools a listener's sessions can go to. */
static void append_pools(const struct announcement *news, const struct listener_config *listener,
                         struct text *out)
{
    const char *separator = "";
    unsigned end = listener->first_tally + listener->tally_count;

    for (unsigned i = listener->first_tally; i < end; i++) {
        int index = news->snapshot->tallies[i].pool_index;
        const struct pool *pool;

        if (index < 0)
            continue;
        pool = &news->snapshot->pools[index];
        text_append(out, separator);
        separator = ", ";
        if (pool->server_count == 1) {
            text_append_format(out, "%s (%s)", pool->name, pool->servers[0]->name);
            continue;
        }
        text_append_format(out, "%s (%u servers, %s)", pool->name, pool->server_count,
                           balance_word(pool->options.balance));
    }
    if (separator[0] == '\0')
        text_append(out, "no pool");
}

static unsigned longest_name(const struct snapshot *snapshot)
{
    size_t longest = 0;

    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        size_t length = strlen(snapshot->listeners[i].name);

        longest = length > longest ? length : longest;
    }
    return (unsigned)longest;
}

static void print_listeners(const struct announcement *news, FILE *out, const char *arrow)
{
    int width = (int)longest_name(news->snapshot);

    for (unsigned i = 0; i < news->bound_count; i++) {
        const struct listener_config *listener =
            &news->snapshot->listeners[news->bound[i].listener_index];
        char addr[ADDR_TEXT_BYTES];
        char memory[512];
        struct text pools = text_over(memory, sizeof(memory));

        append_pools(news, listener, &pools);
        fprintf(out, "listen   %-*s  %s  %s  %s\n", width, listener->name,
                addr_text(&news->bound[i].addr, addr), arrow, memory);
    }
}

static void print_admin(const struct announcement *news, FILE *out)
{
    const struct process_config *process = &news->snapshot->process;
    char addr[ADDR_TEXT_BYTES];

    if (process->admin_bind_count == 0 && news->control_path == NULL)
        return;
    fputs("admin  ", out);
    for (unsigned i = 0; i < process->admin_bind_count; i++)
        fprintf(out, "  http://%s/", addr_text(&process->admin_binds[i], addr));
    if (news->control_path != NULL)
        fprintf(out, "  unix:%s", news->control_path);
    fputc('\n', out);
}

void announce_banner(const struct announcement *news, FILE *out, bool utf8)
{
    fprintf(out, "culvert %s  pid %d  libevent %s  splice %s\n", CULVERT_VERSION, (int)getpid(),
            event_get_version(), news->splice);
    fprintf(out, "config   %s\n", news->snapshot->source);
    print_listeners(news, out, utf8 ? "\u2192" : "->");
    print_admin(news, out);
    fprintf(out, "budget   %d sessions (open_files %d), %d worker%s\n",
            news->budget->max_connections, news->budget->open_files,
            news->snapshot->process.workers, news->snapshot->process.workers == 1 ? "" : "s");
    fprintf(out, "ready in %lld ms\n", (long long)(news->start_us / 1000));
    fflush(out);
}

void announce_record(const struct announcement *news)
{
    char memory[LOG_PAYLOAD_BYTES];
    struct text listen = text_over(memory, sizeof(memory));
    struct log_event event;

    for (unsigned i = 0; i < news->bound_count; i++) {
        unsigned index = news->bound[i].listener_index;
        char addr[ADDR_TEXT_BYTES];

        text_append_format(&listen, "%s%s=%s", i == 0 ? "" : " ",
                           news->snapshot->listeners[index].name,
                           addr_text(&news->bound[i].addr, addr));
    }
    log_event_begin(&event, LOG_INFO, "ready");
    log_event_string(&event, "version", CULVERT_VERSION);
    log_event_integer(&event, "pid", getpid());
    log_event_string(&event, "config", news->snapshot->source);
    log_event_integer(&event, "workers", news->snapshot->process.workers);
    log_event_integer(&event, "max_connections", news->budget->max_connections);
    log_event_string(&event, "bound_by", news->budget->bound_by);
    log_event_integer(&event, "open_files", news->budget->open_files);
    log_event_integer(&event, "max_pipes", news->budget->max_pipes);
    log_event_string(&event, "splice", news->splice);
    log_event_seconds(&event, "start_s", news->start_us);
    log_event_string(&event, "listen", memory);
    log_event_post(&event);
}
