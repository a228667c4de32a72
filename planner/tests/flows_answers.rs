//! What steps take over from others stays what it is, whatever is asked meanwhile.

mod world;

use world::script::check;

#[test]
fn an_answer_stays_as_long_as_a_step_may_look_at_it() {
    check(
        "a step that ended is not registered over one that waits for its answer",
        "register f/a 0s                 => 1 created
         register f/c 1h                 => 2 created
         register f/b needs=a,c from=a   => 3 created
         fire f/a                        =>
         end f/a success text/csv=1      =>
         update f/a 1h url=other         => 4 conflict
         show f/a                        => completed
         run f/c                         => 5 changed
         fire f/c                        =>
         end f/c success                 =>
         payload f/b                     => text/csv 1
         update f/a 1h url=other         => 6 created",
    );
}

#[test]
fn a_payload_that_was_taken_over_is_no_other_content() {
    check(
        "pause, resume, run",
        "register f/a 0s                 => 1 created
         register f/b 1h needs=a from=a  => 2 created
         fire f/a                        =>
         end f/a success text/csv=1      =>
         pause f/b                       => 3 changed
         register f/b 1h needs=a from=a  => 4 unchanged
         resume f/b                      => 5 changed
         touch f/b                       => 6 changed
         run f/b                         => 7 changed
         payload f/b                     => text/csv 1
         register f/b 1h needs=a from=a  => 8 unchanged",
    );
    check(
        "an update that changes nothing",
        "register f/a 0s                 => 1 created
         register f/b 1h needs=a from=a  => 2 created
         fire f/a                        =>
         end f/a success text/csv=1      =>
         update f/b expires=1h           => 3 changed
         update f/b expires=1h           => 4 unchanged
         run f/b                         => 5 changed
         payload f/b                     => text/csv 1",
    );
}
