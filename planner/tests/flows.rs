//! Steps that wait for others: what becomes of them, whatever the others come to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use world::script::check;

#[test]
fn a_step_is_planted_when_what_it_needs_has_ended_well() {
    check(
        "sequence",
        "register f/pay 10s              => 1 created
         register f/ship needs=pay       => 2 created
         register f/mail 1m needs=ship   => 3 created
         show f/ship                     => held
         waits f/ship                    => pay scheduled
         waits f/mail                    => ship held
         wheel                           => f/pay#1
         fire f/pay                      =>
         end f/pay success               =>
         show f/pay                      => completed
         wheel                           => f/ship#1
         fire f/ship                     =>
         end f/ship success              =>
         wheel                           => f/mail#1
         waits f/mail                    =>
         fire f/mail                     =>
         end f/mail success              =>
         show f/mail                     => completed",
    );
    check(
        "registered in any order",
        "register f/ship needs=pay       => 1 created
         waits f/ship                    => pay absent
         time 1h                         =>
         show f/ship                     => held
         register f/pay 10s              => 2 created
         fire f/pay                      =>
         end f/pay success               =>
         register f/mail needs=pay,ship  => 3 created
         waits f/mail                    => ship scheduled
         fire f/ship                     =>
         end f/ship success              =>
         wheel                           => f/mail#1
         register f/late needs=pay       => 4 created
         wheel                           => f/mail#1, f/late#1",
    );
    check(
        "its schedule counts from then; an at is a not-before",
        "register f/pay 10s              => 1 created
         register f/a 20m needs=pay      => 2 created
         register f/b at=600000 needs=pay => 3 created
         register f/c at=5000 needs=pay  => 4 created
         time 1m                         =>
         fire f/pay                      =>
         end f/pay success               =>
         wheel                           => f/c#1
         show f/a                        => pending
         show f/b                        => pending
         time 4m                         =>
         wheel                           => f/c#1, f/b#1
         time 11m                        =>
         wheel                           => f/c#1, f/b#1, f/a#1",
    );
    check(
        "a retry of what is needed decides nothing",
        "register f/pay 10s              => 1 created
         register f/ship needs=pay       => 2 created
         fire f/pay                      =>
         begin f/pay                     =>
         end f/pay again 10s             =>
         show f/ship                     => held
         fire f/pay                      =>
         end f/pay success               =>
         wheel                           => f/ship#1",
    );
}

#[test]
fn a_branch_that_is_not_taken_says_so() {
    check(
        "failure and always",
        "register f/pay 10s              => 1 created
         register f/ship needs=pay       => 2 created
         register f/sorry needs=pay:failure => 3 created
         register f/log needs=ship:always => 4 created
         register f/bill needs=ship      => 5 created
         fire f/pay                      =>
         end f/pay dead                  =>
         show f/ship                     => skipped
         why f/ship                      => `pay` was given up; needed was its success
         show f/bill                     => skipped
         why f/bill                      => `ship` was skipped; needed was its success
         wheel                           => f/sorry#1, f/log#1
         cancel f/ship                   => 6 cancelled
         fire f/sorry                    =>
         end f/sorry success             =>
         show f/sorry                    => completed",
    );
    check(
        "expired counts as failure",
        "register f/pay 10s expires=1s   => 1 created
         register f/ship needs=pay       => 2 created
         register f/sorry needs=pay:failure => 3 created
         late f/pay                      =>
         show f/ship                     => skipped
         wheel                           => f/sorry#1",
    );
    check(
        "a value in the answer",
        "register f/pay 10s              => 1 created
         register f/gold needs=pay@/tier~\"gold\" => 2 created
         register f/rest needs=pay@/tier~\"iron\" => 3 created
         fire f/pay                      =>
         end f/pay success application/json={\"tier\":\"gold\"} =>
         wheel                           => f/gold#1
         show f/rest                     => skipped
         why f/rest                      => the answer of `pay` does not hold \"iron\" at `/tier`
         register f/more needs=pay@/tier~\"gold\" => 4 created
         wheel                           => f/gold#1, f/more#1
         register f/less needs=pay@/tier~1 => 5 created
         show f/less                     => skipped",
    );
    check(
        "a value of an answer that was not, or not all of it",
        "register f/a 10s                => 1 created
         register f/b 10s                => 2 created
         register f/x needs=a@/t~1       => 3 created
         register f/y needs=b:always@/t~1 => 4 created
         fire f/a                        =>
         end f/a success cut={\"t\":1}   =>
         why f/x                         => the answer of `a` was cut off or too long to be looked at
         cancel f/b                      => 5 cancelled
         why f/y                         => `b` was cancelled without an answer; needed was one",
    );
}

#[test]
fn a_join_takes_all_or_the_first() {
    check(
        "all",
        "register f/a 10s                => 1 created
         register f/b 10s                => 2 created
         register f/c 10s                => 3 created
         register f/all needs=a,b:always,c:failure => 4 created
         fire f/a                        =>
         end f/a success                 =>
         fire f/b                        =>
         end f/b dead                    =>
         waits f/all                     => c scheduled
         fire f/c                        =>
         end f/c dead                    =>
         wheel                           => f/all#1",
    );
    check(
        "all, one of them not",
        "register f/a 10s                => 1 created
         register f/b 10s                => 2 created
         register f/all needs=a,b        => 3 created
         fire f/b                        =>
         end f/b dead                    =>
         show f/all                      => skipped
         fire f/a                        =>
         end f/a success                 =>
         show f/all                      => skipped
         wheel                           =>",
    );
    check(
        "any",
        "register f/a 10s                => 1 created
         register f/b 10s                => 2 created
         register f/any needs=a,b join=any => 3 created
         register f/none needs=a:failure,b:failure join=any => 4 created
         fire f/a                        =>
         end f/a dead                    =>
         waits f/any                     => a dead unmet, b scheduled
         wheel                           => f/b#1, f/none#1
         fire f/b                        =>
         end f/b success                 =>
         wheel                           => f/none#1, f/any#1",
    );
    check(
        "any, and none is",
        "register f/a 10s                => 1 created
         register f/b 10s                => 2 created
         register f/any needs=a,b join=any => 3 created
         fire f/a                        =>
         end f/a dead                    =>
         cancel f/b                      => 4 cancelled
         show f/any                      => skipped
         why f/any                       => `b` was cancelled; needed was its success",
    );
}

#[test]
fn the_answer_of_a_step_is_the_payload_of_the_next() {
    check(
        "as it came",
        "register f/a 10s                => 1 created
         register f/b needs=a from=a payload=own => 2 created
         register f/c needs=a:always from=a payload=own => 3 created
         fire f/a                        =>
         end f/a success text/csv=1;2    =>
         payload f/b                     => text/csv 1;2
         payload f/c                     => text/csv 1;2
         register f/d needs=a from=a     => 4 created
         payload f/d                     => text/csv 1;2
         register f/b needs=a from=a payload=own => 5 unchanged",
    );
    check(
        "its own where there was no answer",
        "register f/a 10s                => 1 created
         register f/b needs=a:always from=a payload=own => 2 created
         cancel f/a                      => 3 cancelled
         payload f/b                     => application/json \"own\"",
    );
    check(
        "more than can be passed on",
        "register f/a 10s                => 1 created
         register f/b needs=a from=a     => 2 created
         register f/c needs=b:failure    => 3 created
         fire f/a                        =>
         end f/a success cut=123         =>
         show f/b                        => dead
         why f/b                         => the answer of `a` was cut off or is longer than 65536 bytes, the most that can be passed on as a payload
         wheel                           => f/c#1",
    );
}

#[test]
fn a_step_that_waits_is_cancelled_run_paused() {
    check(
        "cancel, and register anew",
        "register f/a 10s                => 1 created
         register f/b needs=a            => 2 created
         register f/c needs=b            => 3 created
         register f/b needs=a            => 4 unchanged
         register f/b needs=a:failure    => 5 conflict
         cancel f/b                      => 6 cancelled
         show f/b                        => cancelled
         show f/c                        => skipped
         register f/b needs=a            => 7 created
         register f/c needs=b            => 8 created
         fire f/a                        =>
         end f/a success                 =>
         wheel                           => f/b#1",
    );
    check(
        "run, whatever it waits for",
        "register f/b needs=a from=a payload=own => 1 created
         run f/b                         => 2 changed
         payload f/b                     => application/json \"own\"
         register f/a 1s                 => 3 created
         fire f/a                        =>
         end f/a dead                    =>
         wheel                           => f/b#1",
    );
    check(
        "pause and resume",
        "register f/a 10s                => 1 created
         register f/b needs=a            => 2 created
         register f/c needs=a:failure    => 3 created
         pause f/b                       => 4 changed
         pause f/c                       => 5 changed
         show f/b                        => paused
         fire f/a                        =>
         end f/a success                 =>
         show f/b                        => paused
         show f/c                        => skipped
         resume f/b                      => 6 changed
         wheel                           => f/b#1",
    );
    check(
        "resumed before",
        "register f/a 10s                => 1 created
         register f/b needs=a            => 2 created
         pause f/b                       => 3 changed
         resume f/b                      => 4 changed
         show f/b                        => held
         fire f/a                        =>
         end f/a success                 =>
         wheel                           => f/b#1",
    );
}

#[test]
fn a_step_that_waits_is_changed() {
    check(
        "update, reschedule, touch",
        "register f/a 10s                => 1 created
         register f/b needs=a            => 2 created
         touch f/b                       => 3 refused op
         update f/b payload=x            => 4 changed
         reschedule f/b 20m              => 5 changed
         show f/b                        => held
         update f/b needs=a              => 6 unchanged
         update f/b needs=c,a            => 7 changed
         waits f/b                       => c absent, a scheduled
         update f/a needs=c              => 8 refused needs
         fire f/a                        =>
         end f/a success                 =>
         waits f/b                       => c absent
         update f/b needs=a              => 9 changed
         show f/b                        => pending
         update f/b needs=c              => 10 refused needs
         time 16m                        =>
         payload f/b                     => application/json \"x\"",
    );
    check(
        "a step that waits no more",
        "register f/b 20s needs=a        => 1 created
         time 1m                         =>
         update f/b needs=null           => 2 changed
         waits f/b                       =>
         wheel                           => f/b#1
         update f/b needs=null           => 3 unchanged
         register f/a 1s                 => 4 created
         wheel                           => f/b#1, f/a#1",
    );
    check(
        "a cancel that was decided later, a register that came between",
        "register f/a 10s                => 1 created
         register f/b needs=a            => 2 created
         register f/z needs=b:always     => 3 created
         fire f/a                        =>
         stop                            =>
         cancel f/a                      =>
         register f/a 20s                =>
         go                              => 4 cancelled, 5 created
         show f/b                        => skipped
         wheel                           => f/a#1, f/z#1
         register f/b needs=a            => 6 created
         show f/b                        => held",
    );
}

#[test]
fn steps_that_wait_for_each_other_are_refused() {
    check(
        "whoever closes the circle",
        "register f/b needs=a            => 1 created
         register f/c needs=b,x          => 2 created
         register f/a needs=c            => 3 refused needs
         register f/a needs=y            => 4 created
         update f/a needs=c              => 5 refused needs
         update f/a needs=z              => 6 changed
         register f/z needs=b            => 7 refused needs
         register f/z 1s                 => 8 created
         fire f/z                        =>
         end f/z success                 =>
         fire f/a                        =>
         end f/a success                 =>
         wheel                           => f/b#1",
    );
    check(
        "of what is decided nobody waits any more",
        "register f/a 1s                 => 1 created
         register f/b needs=a,x          => 2 created
         fire f/a                        =>
         end f/a success                 =>
         waits f/b                       => x absent
         cancel f/a                      => 3 cancelled
         register f/x needs=b            => 4 refused needs",
    );
}

#[test]
fn what_ended_is_remembered_while_its_group_waits() {
    check(
        "beyond the dedup window",
        "register f/a 10s                => 1 created
         register f/b needs=a,x          => 2 created
         register g/a 10s                => 3 created
         fire f/a                        =>
         end f/a success text/csv=1      =>
         fire g/a                        =>
         end g/a success                 =>
         time 3h                         =>
         show g/a                        => none
         show f/a                        => completed
         register f/a 10s                => 4 unchanged
         register f/late needs=a from=a  => 5 created
         payload f/late                  => text/csv 1
         register f/x 1s                 => 6 created
         fire f/x                        =>
         end f/x success                 =>
         wheel                           => f/late#1, f/b#1
         time 1h                         =>
         show f/a                        => none
         show f/x                        => none",
    );
}
