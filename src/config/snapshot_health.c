/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_health.c - from [health] sections to options.
 */
#include "config/snapshot_health.h"

#include <stdlib.h>
#include <string.h>

#include "config/health_section.h"
#include "config/snapshot_value.h"
#include "config/value_bytes.h"

/* An option of its own, or that of `interval`. */
static int64_t interval_ms(const struct settings *settings, const struct section *section,
                           enum option_id option)
{
    if (!settings_has(settings, section, option))
        option = HEALTH_INTERVAL;
    return settings_ms(settings, section, option);
}

static struct health_timing timing_of(const struct settings *settings,
                                      const struct section *section)
{
    return (struct health_timing){
        .interval_ms = settings_ms(settings, section, HEALTH_INTERVAL),
        .fast_interval_ms = interval_ms(settings, section, HEALTH_FAST_INTERVAL),
        .down_interval_ms = interval_ms(settings, section, HEALTH_DOWN_INTERVAL),
        .timeout_ms = settings_ms(settings, section, HEALTH_TIMEOUT),
        .rise = (int)settings_number(settings, section, HEALTH_RISE),
        .fall = (int)settings_number(settings, section, HEALTH_FALL),
        .jitter_percent = (int)settings_number(settings, section, HEALTH_JITTER),
        .starts_down = settings_word(settings, section, HEALTH_INITIAL) == 1,
    };
}

/* The bytes of an option, where there are any. False without memory. */
static bool copy_bytes(const struct settings *settings, const struct section *section,
                       enum option_id option, unsigned char **bytes, size_t *size)
{
    const char *text = settings_text(settings, section, option);

    if (text == NULL)
        return true;
    *bytes = value_bytes_of(text, size);
    return *bytes != NULL;
}

static bool fill_exchange(const struct settings *settings, const struct section *section,
                          struct exchange_options *exchange)
{
    const struct setting *status = settings_get(settings, section, HEALTH_STATUS);

    exchange->statuses = calloc(status->count + 1, sizeof(*exchange->statuses));
    if (exchange->statuses == NULL)
        return false;
    for (size_t i = 0; i < status->count; i++)
        exchange->statuses[exchange->status_count++] = (struct status_range){
            .first = (int)status->items[i].number, .last = (int)status->items[i].last};
    return copy_bytes(settings, section, HEALTH_SEND, &exchange->send, &exchange->send_size) &&
           copy_bytes(settings, section, HEALTH_EXPECT, &exchange->expect,
                      &exchange->expect_size) &&
           snapshot_copy(&exchange->path, settings_text(settings, section, HEALTH_PATH)) &&
           snapshot_copy(&exchange->host, settings_text(settings, section, HEALTH_HOST));
}

/* The options of a pool's checks; false without memory. */
static bool fill_options(const struct settings *settings, const struct tls_uses *tls,
                         const struct health_choice *choice, struct health_options *options)
{
    const struct section *section = choice->section;
    const struct tls_use *use = tls_uses_find(tls, TLS_CLIENT, choice->tls);
    struct tls_profile *any = tls_uses_any(tls);

    options->timing = timing_of(settings, section);
    options->exchange.type = choice->type;
    options->port = (uint16_t)settings_number(settings, section, HEALTH_PORT);
    options->sends_proxy = settings_number(settings, section, HEALTH_SEND_PROXY) != 0;
    options->resets = settings_word(settings, section, HEALTH_CLOSE) == 1;
    if (use != NULL)
        options->tls = use->profile;
    else if (choice->type == EXCHANGE_TLS)
        options->tls = any;
    options->any_tls = any;
    return snapshot_copy(&options->name,
                         section != NULL ? section->name : exchange_type_word(choice->type)) &&
           snapshot_copy(&options->tls_name,
                         use == NULL || use->section == NULL
                             ? NULL
                             : settings_text(settings, use->section, TLS_OPTION_SERVER_NAME)) &&
           fill_exchange(settings, section, &options->exchange);
}

bool snapshot_fill_health(struct snapshot *snapshot, const struct settings *settings,
                          const struct tls_uses *tls)
{
    const struct section *pool = settings_first(settings, SECTION_POOL);

    snapshot->health = calloc(snapshot->pool_count + 1, sizeof(struct health_options *));
    if (snapshot->health == NULL)
        return false;
    /* The pools of sections come first, in their order; then those of listeners. */
    for (unsigned i = 0; i < snapshot->pool_count; i++) {
        struct health_choice choice = health_choice_of(settings, pool);

        pool = pool == NULL ? NULL : section_next(pool);
        if (!choice.is_on)
            continue;
        snapshot->health[i] = calloc(1, sizeof(struct health_options));
        if (snapshot->health[i] == NULL ||
            !fill_options(settings, tls, &choice, snapshot->health[i]))
            return false;
    }
    return true;
}
