/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_section.c - off, a built-in profile, or a section.
 */
#include "config/health_section.h"

#include <stddef.h>

/* The words of [pool] health, in the table's order. */
enum { HEALTH_OFF, HEALTH_TCP, HEALTH_TLS_BUILTIN };

struct health_choice health_choice_of(const struct settings *settings, const struct section *pool)
{
    const struct item *item = settings_item(settings, pool, POOL_HEALTH);
    struct health_choice choice = {.is_on = false};

    if (item == NULL || item->word == HEALTH_OFF)
        return choice;
    if (item->word < 0) {
        choice.section = settings_find(settings, SECTION_HEALTH, item->text);
        if (choice.section == NULL)
            return choice;
        choice.type = (enum exchange_type)settings_word(settings, choice.section, HEALTH_TYPE);
    } else {
        choice.type = item->word == HEALTH_TCP ? EXCHANGE_TCP : EXCHANGE_TLS;
    }
    choice.is_on = true;
    choice.tls = settings_item(settings, choice.section, HEALTH_TLS);
    if (choice.tls == NULL)
        choice.tls = settings_item(settings, pool, POOL_TLS);
    return choice;
}

bool health_choice_accepts_any(const struct health_choice *choice)
{
    bool has_tls = choice->tls != NULL && choice->tls->word < 0;

    return choice->is_on && !has_tls &&
           (choice->type == EXCHANGE_TLS || choice->type == EXCHANGE_POSTGRES);
}
