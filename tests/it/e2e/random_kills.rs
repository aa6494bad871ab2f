//! `kill -9` at random moments: of the service, in a share of the rounds of the broker, or of both, while several jobs are
//! under way. A round is one kill. Afterwards every job has ended right, each clip is stored once, and nothing was paid
//! twice without saying so. `KILL_SEED` makes a run again with the same moments.

use super::film;
use crate::support::processes::{until, until_within};
use crate::support::random::Random;
use crate::support::system::{API_KEY, System, http};
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The clips of each job.
const CLIPS: u64 = 2;
/// A message that was hit waits for its redelivery: with more jobs at once there is always one worth hitting.
const AT_ONCE: usize = 6;
const AT_ONCE_IN_A_LONG_RUN: usize = 14;
/// A message that is hit again and again comes ever later: minutes, with bad luck.
const PATIENCE: Duration = Duration::from_mins(9);
/// What can be held up, for so many milliseconds at most, so that the moments fall into calls and not only between them.
const HELD_UP: u64 = 800;
const OPERATIONS: [&str; 6] = ["create_task", "task", "folder", "export", "export_status", "file"];

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_at_random_moments() {
    Rounds::start(AT_ONCE).await.run(10).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes many minutes"]
async fn two_hundred_kills_at_random_moments() {
    Rounds::start(AT_ONCE_IN_A_LONG_RUN).await.run(200).await;
}

/// Who dies, and how often that was so.
#[derive(Debug, Default)]
struct Kills {
    service: u32,
    broker: u32,
    both: u32,
    /// Deaths of the service, by the steps that were running then.
    during: BTreeMap<String, u32>,
    /// By job, how often `submit` ended without a word of Klap's: killed, or not answered in time on a busy machine.
    in_submit: BTreeMap<String, u32>,
}

struct Rounds {
    system: System,
    /// So many jobs are under way at once, at most.
    at_once: usize,
    random: Random,
    video: String,
    /// How long a job takes that nobody disturbs.
    life: Duration,
    asking: JoinSet<(u64, String)>,
    asked: u64,
    /// Job ids, by the number in their source's address.
    jobs: BTreeMap<u64, String>,
    ended: BTreeMap<u64, Value>,
    kills: Kills,
    /// How much of the service's log belongs to lives that are over.
    read: usize,
}

impl Rounds {
    async fn start(at_once: usize) -> Self {
        let random = Random::seeded("KILL_SEED");
        // Every death inside a step uses up an attempt, and these jobs die often.
        let settings = [("STEP_TIMEOUT", "5"), ("MAX_ATTEMPTS", "100"), ("LOG_FORMAT", "json")];
        let system = System::start(&settings).await;
        system.klap_looks([1, 0, 1]).await;
        let source = film::noise(system.folder.path());
        let video = system.video(&source);
        let mut rounds = Self {
            system,
            at_once,
            random,
            video,
            life: Duration::ZERO,
            asking: JoinSet::new(),
            asked: 0,
            jobs: BTreeMap::new(),
            ended: BTreeMap::new(),
            kills: Kills::default(),
            read: 0,
        };
        let begun = Instant::now();
        rounds.ask().await;
        rounds.all_ended(0).await;
        rounds.life = begun.elapsed();
        rounds
    }

    async fn run(mut self, rounds: usize) {
        for round in 0..rounds {
            self.all_ended(self.at_once - 2).await;
            for _ in 0..=self.random.within(0..2) {
                self.ask().await;
            }
            let life = u64::try_from(self.life.as_millis()).unwrap();
            // Calls are short and pauses long: every other moment is sought inside a call.
            let moment = if self.random.percent(50) {
                self.next_call().await;
                self.random.within(0..HELD_UP)
            } else {
                self.random.within(0..life)
            };
            tokio::time::sleep(Duration::from_millis(moment)).await;
            self.kill().await;
            if round % 10 == 9 {
                println!("{} rounds, {} jobs, {} of them ended", round + 1, self.asked, self.ended.len());
            }
        }
        self.all_ended(0).await;
        self.note_steps(false);
        self.check(rounds).await;
    }

    /// Sends a request for one more job until it is answered, with some of its calls held up for a moment.
    async fn ask(&mut self) {
        for operation in OPERATIONS {
            let delay = json!({"millis": self.random.within(0..HELD_UP), "afterEffect": self.random.percent(50)});
            self.system.klap_fault(operation, 1, json!({"delay": delay})).await;
        }
        let number = self.asked;
        self.asked += 1;
        // Above six seconds a clip of this film is uploaded in chunks.
        let seconds = if self.random.percent(50) { 8 } else { 3 };
        let body = json!({
            "projectId": format!("random-{number}"),
            "videoUrl": format!("{}?job={number}", self.video),
            "options": {"targetClipCount": CLIPS, "targetDuration": seconds},
        });
        let url = format!("{}/api/process-klap", self.system.base);
        self.asking.spawn(async move { (number, persist(http(), url, body).await) });
    }

    /// Waits until at most so many jobs are under way.
    async fn all_ended(&mut self, but: usize) {
        let Self { system, asking, asked, jobs, ended, .. } = self;
        let what = format!("all but {but} of {asked} jobs end");
        until_within(PATIENCE, &what, async || {
            while let Some(answered) = asking.try_join_next() {
                jobs.extend([answered.expect("a request is answered in the end")]);
            }
            for (number, id) in jobs.iter().filter(|(number, _)| !ended.contains_key(*number)).collect::<Vec<_>>() {
                if let Some(job) = system.job(id).await
                    && matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled"))
                {
                    ended.insert(*number, job);
                }
            }
            (ended.len() + but >= usize::try_from(*asked).unwrap()).then_some(())
        })
        .await;
    }

    /// Waits until some operation is called the next time, not longer than a job's life.
    async fn next_call(&mut self) {
        let operation = OPERATIONS[usize::try_from(self.random.within(0..OPERATIONS.len() as u64)).unwrap()];
        let (begun, before) = (Instant::now(), self.system.klap().await["calls"][operation].clone());
        while begun.elapsed() < self.life && self.system.klap().await["calls"][operation] == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn kill(&mut self) {
        let (service, broker) = match self.random.within(0..100) {
            0..70 => (true, false),
            70..85 => (false, true),
            _ => (true, true),
        };
        if broker {
            self.system.broker.kill();
        }
        if service {
            self.system.serve.kill();
            self.note_steps(true);
        }
        match (service, broker) {
            (true, true) => self.kills.both += 1,
            (true, false) => self.kills.service += 1,
            _ => self.kills.broker += 1,
        }
        tokio::time::sleep(Duration::from_millis(self.random.within(0..500))).await;
        if broker {
            self.system.broker.again();
        }
        if service {
            self.system.serve_again().await;
        }
        until("a round of the sweep", async || self.system.sweep().await.then_some(())).await;
    }

    /// What was logged since the last death: above all, which steps had begun and not ended.
    fn note_steps(&mut self, killed: bool) {
        let logged = self.system.serve.logged();
        let mut running = BTreeMap::new();
        for line in logged[self.read..].lines() {
            let Ok(fields) = serde_json::from_str::<Value>(line) else { continue };
            let (Some(job), Some(step)) = (fields["job.id"].as_str(), fields["job.step"].as_str()) else { continue };
            if fields["outcome"] == "retry" && fields["code"] == "klap_submit_unknown" {
                *self.kills.in_submit.entry(job.to_owned()).or_default() += 1;
            }
            match fields["message"].as_str() {
                Some("step begins") => drop(running.insert(job.to_owned(), step.to_owned())),
                Some("step ends" | "published") => drop(running.remove(job)),
                Some(cut) if cut.starts_with("the lease was lost") || cut.starts_with("the step was cut off") => {
                    drop(running.remove(job));
                }
                Some(_) | None => {}
            }
        }
        self.read = logged.len();
        if !killed {
            return;
        }
        for (job, step) in &running {
            if step == "submit" {
                *self.kills.in_submit.entry(job.clone()).or_default() += 1;
            }
            *self.kills.during.entry(step.clone()).or_default() += 1;
        }
        if running.is_empty() {
            *self.kills.during.entry("no step".to_owned()).or_default() += 1;
        }
    }

    async fn check(self, rounds: usize) {
        let (klap, storage) = (self.system.klap().await, self.system.supabase().await);
        let objects: Vec<&str> =
            storage["objects"].as_array().unwrap().iter().filter_map(|object| object["path"].as_str()).collect();
        let (mut completed, mut clips, mut duplicates, mut unknown) = (0, 0, 0, 0);
        let mut creations = BTreeMap::<u64, u32>::new();
        for (number, job) in &self.ended {
            let id = job["jobId"].as_str().unwrap();
            let created = klap["tasksBySource"][format!("{}?job={number}", self.video)].as_u64().unwrap_or(0);
            let repeated = job["possibleDuplicateCharge"].as_u64().unwrap();
            assert!(created <= 1 + repeated, "{created} tasks: {job:#}");
            *creations.entry(created).or_default() += 1;
            duplicates += repeated;
            let stored = objects.iter().filter(|path| path.contains(id)).count() as u64;
            clips += stored;
            if job["status"] == "completed" {
                completed += 1;
                assert_eq!((job["clips"].as_array().unwrap().len() as u64, stored), (CLIPS, CLIPS), "{job:#}");
                assert_eq!(job["clipsFailed"], 0, "{job:#}");
            } else {
                unknown += 1;
                let died = self.kills.in_submit.get(id).copied().unwrap_or(0);
                assert_eq!(
                    (&job["status"], &job["errorDetail"]["code"]),
                    (&json!("failed"), &json!("klap_submit_unknown"))
                );
                assert!(died >= 2, "left alone in submit {died} times: {job:#}");
                assert_eq!(stored, 0);
            }
        }
        let exports = klap["exports"].as_object().unwrap();
        let twice: Vec<_> = exports.iter().filter(|(_, paid)| **paid != 1).collect();
        let Kills { service, broker, both, during, .. } = &self.kills;
        println!(
            "{rounds} rounds (service killed {service}, broker {broker}, both {both}), running then: {during:?}; \
             {} jobs of {} ms: {completed} completed, {unknown} klap_submit_unknown; {clips} clips stored, {} duplicates; \
             {} exports paid, {} of them twice; jobs by task creations {creations:?}, {duplicates} told as possible duplicates",
            self.ended.len(),
            self.life.as_millis(),
            objects.len() as u64 - completed * CLIPS,
            klap["exportsTotal"],
            twice.len(),
        );
        assert_eq!((objects.len() as u64, clips), (completed * CLIPS, completed * CLIPS), "each clip is stored once");
        assert!(twice.is_empty(), "paid more than once: {twice:?}");
        assert_eq!(klap["tasksBySource"].as_object().unwrap().len(), self.ended.len());
        self.system.keeps_secrets(&[], &[]);
    }
}

/// The same request with the same key until it is answered, which tells the job whoever died meanwhile.
async fn persist(http: Client, url: String, body: Value) -> String {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let request =
            http.post(&url).bearer_auth(API_KEY).header("idempotency-key", body["projectId"].as_str().unwrap());
        if let Ok(answer) = request.json(&body).timeout(Duration::from_secs(15)).send().await {
            let status = answer.status();
            let told: Value = answer.json().await.unwrap_or_default();
            assert!([200, 202, 503].contains(&status.as_u16()), "{status} {told:#}");
            if let (true, Some(job)) = (status.is_success(), told["jobId"].as_str()) {
                return job.to_owned();
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no answer to {body:#}");
}
