//! The four roles as the simulator starts them.

use archive::ArchiveFactory;
use dispatcher::{CallOrder, DispatcherFactory};
use pipeline::{Factory, Opening, Stage};
use planner::{PlannerConfig, PlannerFactory};
use schemas::{CommandAnswer, RequestId, Role, Shard, TenantId, Topic};
use trigger::TriggerFactory;

use crate::plan::TaskPlan;
use crate::planted::Bug;

/// What a core asks of the world.
#[derive(Debug)]
pub enum Asked {
    /// A call is to be made.
    Call(CallOrder),
    /// Rows are to be written.
    Write {
        /// Which batch.
        batch: u64,
        /// What.
        rows: Vec<archive::Row>,
    },
    /// A command was decided.
    Answer(RequestId, CommandAnswer),
}

/// What the world tells a core.
#[derive(Clone, Debug)]
pub enum Told {
    /// To a dispatcher.
    Call(dispatcher::Input),
    /// To an archive.
    Rows(archive::Input),
    /// To planners and archives: the machine has no time left.
    Busy,
}

/// Input and effect of a factory's cores.
pub type InputOf<F> = <<F as Factory>::Stage as Stage>::Input;
/// See [`InputOf`].
pub type EffectOf<F> = <<F as Factory>::Stage as Stage>::Effect;

/// One role: how its factory is made and what its effects mean.
pub trait Kind: 'static {
    /// Makes its cores.
    type Factory: Factory;
    /// Which.
    const ROLE: Role;

    /// A factory for a new process.
    fn start(seed: u64, bug: Option<Bug>) -> Self::Factory;

    /// What is left of a factory when its process dies: disks outlive it, unless `wiped`.
    fn restart(
        left: Self::Factory,
        seed: u64,
        wiped: Option<Shard>,
        bug: Option<Bug>,
    ) -> Self::Factory {
        drop((left, wiped));
        Self::start(seed, bug)
    }

    /// The process is of a release with other time zone data.
    fn release(_factory: &mut Self::Factory, _bug: Option<Bug>) {}

    /// What an effect asks for.
    fn asked(effect: EffectOf<Self::Factory>) -> Option<Asked>;

    /// What it is told, if it is for this role.
    fn told(told: Told) -> Option<InputOf<Self::Factory>>;
}

/// See [`Role::Planner`].
#[derive(Debug)]
pub enum Planner {}
/// See [`Role::Trigger`].
#[derive(Debug)]
pub enum Trigger {}
/// See [`Role::Dispatcher`].
#[derive(Debug)]
pub enum Dispatcher {}
/// See [`Role::Archive`].
#[derive(Debug)]
pub enum Archive {}

impl Kind for Planner {
    type Factory = PlannerFactory<planner::store::MemoryStores>;
    const ROLE: Role = Role::Planner;

    fn start(_seed: u64, _bug: Option<Bug>) -> Self::Factory {
        let tenants = TaskPlan::INTAKES.map(|(_, tenant)| TenantId::new(tenant));
        let config = PlannerConfig {
            intakes: tenants.into_iter().flatten().collect(),
            // So that wide flows are told in many turns.
            turn_followed: 16,
            // And commands on many tasks.
            turn_swept: 8,
            // So that a change of a calendar takes many, too.
            turn_replanned: 4,
            // Few calls are late here.
            put_off_late_ms: 0,
            put_off_ms: 8_000,
            ..PlannerConfig::default()
        };
        PlannerFactory::new(config, planner::store::MemoryStores::default())
    }

    fn restart(
        mut left: Self::Factory,
        _seed: u64,
        wiped: Option<Shard>,
        _bug: Option<Bug>,
    ) -> Self::Factory {
        if let Some(shard) = wiped {
            left.stores().lose(shard);
        }
        left
    }

    fn release(factory: &mut Self::Factory, bug: Option<Bug>) {
        let defaults = planner::Zones::default();
        // Other data under the old version's name are not noticed.
        let version = match bug {
            Some(Bug::ZonesIgnored) => defaults.version,
            _ => format!("{} released", defaults.version),
        };
        factory.set_zones(planner::Zones {
            version,
            find: crate::plan::clock::released,
        });
    }

    fn asked(effect: planner::event::Effect) -> Option<Asked> {
        match effect {
            planner::event::Effect::Answer { request, answer } => {
                Some(Asked::Answer(request, answer))
            }
            planner::event::Effect::Reply { .. } => None,
        }
    }

    fn told(told: Told) -> Option<planner::event::Input> {
        matches!(told, Told::Busy).then_some(planner::event::Input::Busy)
    }
}

impl Kind for Trigger {
    type Factory = TriggerFactory;
    const ROLE: Role = Role::Trigger;

    fn start(seed: u64, _bug: Option<Bug>) -> TriggerFactory {
        // Some triggers have no memory to spare: what is planted far ahead is not loaded yet then.
        let defaults = trigger::Config::default();
        let early_bytes = if seed.is_multiple_of(3) {
            0
        } else {
            defaults.early_bytes
        };
        TriggerFactory::new(trigger::Config {
            early_bytes,
            ..defaults
        })
    }

    fn asked(effect: trigger::event::Effect) -> Option<Asked> {
        match effect {}
    }

    fn told(_told: Told) -> Option<trigger::event::Input> {
        None
    }
}

impl Kind for Dispatcher {
    type Factory = Dispatchers;
    const ROLE: Role = Role::Dispatcher;

    fn start(seed: u64, bug: Option<Bug>) -> Dispatchers {
        Dispatchers {
            factory: DispatcherFactory::new(dispatcher::Config::default(), seed),
            forgets: bug == Some(Bug::ForgottenCalls),
        }
    }

    fn asked(effect: dispatcher::Effect) -> Option<Asked> {
        match effect {
            dispatcher::Effect::Call(order) => Some(Asked::Call(*order)),
            dispatcher::Effect::Soon(_) => None,
        }
    }

    fn told(told: Told) -> Option<dispatcher::Input> {
        match told {
            Told::Call(input) => Some(input),
            Told::Rows(_) | Told::Busy => None,
        }
    }
}

impl Kind for Archive {
    type Factory = ArchiveFactory;
    const ROLE: Role = Role::Archive;

    fn start(_seed: u64, _bug: Option<Bug>) -> ArchiveFactory {
        ArchiveFactory::new(archive::Config {
            give_way_late_ms: 0,
            give_way_ms: 8_000,
            ..archive::Config::default()
        })
    }

    fn asked(effect: archive::Effect) -> Option<Asked> {
        match effect {
            archive::Effect::Write { batch, rows } => Some(Asked::Write { batch, rows }),
        }
    }

    fn told(told: Told) -> Option<archive::Input> {
        match told {
            Told::Rows(input) => Some(input),
            Told::Busy => Some(archive::Input::Busy),
            Told::Call(_) => None,
        }
    }
}

/// Makes dispatchers.
#[derive(Debug)]
pub struct Dispatchers {
    factory: DispatcherFactory,
    /// A bug: what a core knew goes with it.
    forgets: bool,
}

impl Factory for Dispatchers {
    type Stage = dispatcher::Dispatcher;

    fn topics(&self) -> Vec<Topic> {
        self.factory.topics()
    }

    fn open(&mut self, opening: Opening) -> Self::Stage {
        self.factory.open(opening)
    }

    fn close(&mut self, shard: Shard, stage: Self::Stage) {
        if !self.forgets {
            self.factory.close(shard, stage);
        }
    }

    fn is_unfinished(&self, shard: Shard) -> bool {
        self.factory.is_unfinished(shard)
    }

    fn assigned(&mut self, shards: &[Shard]) {
        self.factory.assigned(shards);
    }

    fn handle_input(&mut self, shard: Shard, input: dispatcher::Input) {
        self.factory.handle_input(shard, input);
    }
}
