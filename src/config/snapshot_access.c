/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_access.c - from [listen] keys to the rules that an accepted connection has to pass.
 */
#include "config/snapshot_access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct address_source *find_source(const struct snapshot *snapshot, const char *section,
                                          const char *key)
{
    for (unsigned i = 0; i < snapshot->address_source_count; i++) {
        struct address_source *source = snapshot->address_sources[i];

        if (strcmp(source->section, section) == 0 && strcmp(source->key, key) == 0)
            return source;
    }
    return NULL;
}

static struct address_source *add_source(struct snapshot *snapshot, const char *section,
                                         const char *key, const struct setting *setting)
{
    struct address_source **more =
        realloc(snapshot->address_sources,
                (snapshot->address_source_count + 1) * sizeof(struct address_source *));
    struct address_source *source;

    if (more == NULL)
        return NULL;
    snapshot->address_sources = more;
    source = address_source_create(section, key, setting);
    if (source != NULL)
        more[snapshot->address_source_count++] = source;
    return source;
}

bool snapshot_address_list(struct snapshot *snapshot, const struct settings *settings,
                           const struct section *section, enum option_id option,
                           struct address_list **list)
{
    const struct setting *setting = settings_get(settings, section, option);
    const char *key = option_table[option].key;
    char place[SECTION_TEXT_BYTES] = "defaults";
    struct address_source *source;

    *list = NULL;
    if (setting->count == 0)
        return true;
    if (section_value(section, option)->is_set)
        snprintf(place, sizeof(place), "%s %s", section_table[section->kind].word, section->name);
    source = find_source(snapshot, place, key);
    if (source == NULL)
        source = add_source(snapshot, place, key, setting);
    if (source == NULL)
        return false;
    *list = &source->list;
    return true;
}

struct rate snapshot_rate(const struct settings *settings, const struct section *section,
                          enum option_id option, int64_t burst_ms)
{
    int64_t per_s = settings_number(settings, section, option);
    int64_t burst = per_s * burst_ms / 1000;

    return (struct rate){.per_s = per_s, .burst = burst > 0 ? burst : 1};
}

bool snapshot_access_fill(struct snapshot *snapshot, const struct settings *settings,
                          const struct section *section, struct listener_config *listener)
{
    static const enum deny_action actions[] = {DENY_RESET, DENY_CLOSE, DENY_DROP};

    listener->per_source = (struct source_limits){
        .max_connections = (int)settings_number(settings, section, LISTEN_MAX_CONNECTIONS_PER_IP),
        .connection_rate =
            snapshot_rate(settings, section, LISTEN_CONNECTION_RATE_PER_IP, SOURCE_BURST_MS),
    };
    listener->connection_rate =
        snapshot_rate(settings, section, LISTEN_CONNECTION_RATE, CONNECTION_BURST_MS);
    listener->upload_rate = snapshot_rate(settings, section, LISTEN_UPLOAD_RATE, BYTES_BURST_MS);
    listener->download_rate =
        snapshot_rate(settings, section, LISTEN_DOWNLOAD_RATE, BYTES_BURST_MS);
    listener->deny_action = actions[settings_word(settings, section, LISTEN_DENY_ACTION)];
    return snapshot_address_list(snapshot, settings, section, LISTEN_ALLOW, &listener->allow) &&
           snapshot_address_list(snapshot, settings, section, LISTEN_DENY, &listener->deny);
}
