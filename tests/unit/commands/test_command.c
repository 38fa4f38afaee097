#include "unit.h"

#include "commands/command.h"

static void test_find(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_count; i++) {
        assert_ptr_equal(command_find(commands[i].name), &commands[i]);
    }
    static const char *const unknown[] = {"", "ru", "runs", "RUN", "--run", "check_config"};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        assert_null(command_find(unknown[i]));
    }
}

/* What the help and the usage make of a row. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_count; i++) {
        const Command *command = &commands[i];
        print_message("  %s\n", command->name);
        assert_non_null(command->main);
        assert_int_equal(command->most_arguments > 0, command->arguments[0] != '\0');
        assert_in_range(strlen(command->name) + 1 + strlen(command->arguments), 1, 34);
        assert_in_range(strlen(command->summary), 10, 66);
        size_t len = strlen(command->details);
        assert_true(len == 0 || command->details[len - 1] == '\n');
        assert_true(!command->takes_signals || command->main == run_main);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_find), cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
