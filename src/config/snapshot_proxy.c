/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_proxy.c - what the settings say of PROXY headers.
 */
#include "config/snapshot_proxy.h"

#include "config/snapshot_access.h"

bool snapshot_proxy_listener(struct snapshot *snapshot, const struct settings *settings,
                             const struct section *section, struct listener_config *listener)
{
    /* The words are in the order of the enum. */
    listener->accept_proxy =
        (enum accept_proxy)settings_word(settings, section, LISTEN_ACCEPT_PROXY);
    return listener->accept_proxy == ACCEPT_PROXY_OFF ||
           snapshot_address_list(snapshot, settings, section, LISTEN_TRUSTED_PROXIES,
                                 &listener->trusted_proxies);
}

void snapshot_proxy_pool(const struct settings *settings, const struct section *section,
                         struct pool_options *options)
{
    const struct setting *tlvs = settings_get(settings, section, POOL_SEND_PROXY_TLVS);

    options->send_proxy = (enum send_proxy)settings_word(settings, section, POOL_SEND_PROXY);
    for (size_t i = 0; i < tlvs->count; i++) {
        if (tlvs->items[i].word >= 0)
            options->send_proxy_tlvs |= 1u << tlvs->items[i].word;
    }
}
