/*
 * What a service manager is told (sd_notify(3)): nothing where none asked for it (NOTIFY_SOCKET).
 * By hand and not by libsystemd: a datagram of a line or two is the whole protocol, and the library
 * would be one more in every image. Main thread; nothing here waits.
 */
#pragma once

#include <stdint.h>

void service_notify_starting(void);  /* it waits for another service, and is to be waited for */
void service_notify_ready(void);     /* it serves; after a reload too */
void service_notify_reloading(void); /* followed by service_notify_ready() */
void service_notify_stopping(void);
void service_notify_alive(void); /* to the watchdog */
/* How long the watchdog waits to hear from this process; 0: there is none. */
int64_t service_watchdog_ns(void);
