/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_show.h - how `culvert ctl` shows the API's answers: aligned for people, else as
 * tab-separated values.
 */
#ifndef CULVERT_ADMIN_CTL_SHOW_H
#define CULVERT_ADMIN_CTL_SHOW_H

#include <jansson.h>
#include <stdbool.h>

/* Each takes the answer to the request of its command and prints to stdout. */
void ctl_show_sessions(const json_t *json, bool for_people);
void ctl_show_listeners(const json_t *json, bool for_people);
void ctl_show_dns(const json_t *json, bool for_people);
void ctl_show_pools(const json_t *json, bool for_people);
void ctl_show_tls(const json_t *json, bool for_people);
void ctl_show_object(const json_t *json, bool for_people);
void ctl_show_status(const json_t *json, bool for_people);
void ctl_show_health(const json_t *json, bool for_people);
void ctl_show_ready(const json_t *json, bool for_people);
void ctl_show_live(const json_t *json, bool for_people);

#endif
