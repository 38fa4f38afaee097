/*
 * The tests of test_json_scan.c on the version of the scanner for machines without SSE2, which is
 * compiled into this program in place of the library's.
 */
#undef __SSE2__
#include "../../../common/payload/json_scan.c" /* NOLINT(bugprone-suspicious-include) */
#include "test_json_scan.c"         /* NOLINT(bugprone-suspicious-include) */
