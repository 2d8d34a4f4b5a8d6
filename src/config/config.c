/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - the whole way from files to a snapshot, and what a configuration keeps.
 */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "config/config_parts.h"
#include "config/loader.h"
#include "config/lookup.h"
#include "config/snapshot_build.h"
#include "config/snapshot_dns.h"
#include "config/snapshot_process.h"
#include "config/validate.h"
#include "config/validate_addresses.h"
#include "config/validate_balance.h"
#include "config/validate_outgoing.h"
#include "config/validate_proxy.h"
#include "config/validate_tls.h"

/* "culvert.ini (+2 included)"; several -c: "a.ini, b.ini". NULL without memory. */
static char *describe_sources(const struct source_files *files, unsigned included)
{
    size_t size = 64;
    for (size_t i = 0; i < files->count; i++)
        size += strlen(files->files[i]->name) + 2;
    char *memory = malloc(size);
    if (memory == NULL)
        return NULL;
    struct text text = text_over(memory, size);
    for (size_t i = 0; i < files->count; i++) {
        const struct source_file *file = files->files[i];

        if (file->is_root)
            text_append_format(&text, "%s%s", text.length > 0 ? ", " : "", file->name);
    }
    if (included > 0)
        text_append_format(&text, " (+%u included)", included);
    return memory;
}

/* Each worker, and the control thread, which makes the checks. */
static unsigned users_of_tls(const struct settings *settings)
{
    return snapshot_workers(settings) + 1;
}

struct config *config_load(const struct config_sources *sources, bool resolve)
{
    struct config *config = calloc(1, sizeof(*config));
    struct loader loader;

    if (config == NULL)
        return NULL;
    if (!settings_init(&config->settings)) {
        config_destroy(config);
        return NULL;
    }
    loader = (struct loader){.settings = &config->settings,
                             .files = &config->files,
                             .diagnostics = &config->diagnostics};
    loader_read(&loader, sources);
    if (!tls_uses_list(&config->tls, &config->settings))
        (void)diagnostics_out_of_memory(&config->diagnostics);
    validate(&config->settings, &config->diagnostics);
    validate_balance(&config->settings, &config->diagnostics);
    validate_proxy(&config->settings, &config->diagnostics);
    validate_tls(&config->settings, &config->tls, &config->diagnostics);
    validate_outgoing(&config->settings, &config->diagnostics);
    validate_dns(&config->settings, &config->diagnostics);
    /* Look-ups may take long: not for a configuration that is refused anyway. */
    bool was_valid = config_is_valid(config);
    if (resolve && was_valid)
        lookup_hosts(&config->settings, &config->diagnostics);
    validate_addresses(&config->settings, &config->diagnostics);
    if (resolve && was_valid)
        (void)tls_uses_load(&config->tls, &config->settings, users_of_tls(&config->settings),
                            &config->diagnostics);
    config->source = describe_sources(&config->files, loader.included);
    if (config->source == NULL)
        (void)diagnostics_out_of_memory(&config->diagnostics);
    return config;
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    tls_uses_release(&config->tls);
    settings_release(&config->settings);
    diagnostics_release(&config->diagnostics);
    source_files_release(&config->files);
    free(config->source);
    free(config);
}

bool config_is_valid(const struct config *config)
{
    return config->diagnostics.errors == 0 && !config->diagnostics.is_out_of_memory;
}

void config_print_diagnostics(const struct config *config, FILE *out, bool color, bool explain,
                              bool json)
{
    if (json)
        diagnostics_print_json(&config->diagnostics, out, explain);
    else
        diagnostics_print(&config->diagnostics, out, color, explain);
}

struct snapshot *config_snapshot(struct config *config)
{
    /* Those that a look at the files alone did not make, or that another snapshot has. */
    if (!tls_uses_load(&config->tls, &config->settings, users_of_tls(&config->settings),
                       &config->diagnostics))
        return NULL;
    return snapshot_build(&config->settings, &config->tls, config->source);
}
