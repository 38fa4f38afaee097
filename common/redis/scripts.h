/*
 * The sources of the Lua scripts beside this file, which the build makes strings of.
 */
#ifndef TICKSTREAM_SCRIPTS_H
#define TICKSTREAM_SCRIPTS_H

#include "base/str.h"

extern const Str publish_script;    /* call.h says how it is called */
extern const Str upkeep_script;     /* upkeep.h likewise */
extern const Str reap_script;       /* one key, two arguments: reap.lua says which */
extern const Str erase_script;      /* one key, four arguments: erase.lua says which */
extern const Str quarantine_script; /* one key, seven arguments: quarantine.lua says which */

#endif
