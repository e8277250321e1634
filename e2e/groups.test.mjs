import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./harness/until.mjs";
import { world } from "./harness/world.mjs";

test("an admin removes a member, who is told, reads nothing more and may come back", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  const cleo = await w.person("Cleo");
  await cleo.joinAs("Cleo", await ana.invite());
  for (const chat of [ana, ben, cleo]) await chat.has(3);
  await ana.send("Before");
  await ben.sees("Before");
  await cleo.sees("Before");
  assert.equal(await ben.at("remove-button").count(), 0);

  await ana.remove("Ben");
  await ben.at("left-note").filter({ hasText: "removed you" }).waitFor();
  assert.equal(await ben.at("composer").count(), 0, "nothing can be written where nobody would hear it");
  await ana.at("notice").filter({ hasText: "Ben was removed" }).waitFor();
  await cleo.at("notice").filter({ hasText: "Ben was removed" }).waitFor();
  await ana.send("After");
  await cleo.sees("After");
  await cleo.send("Still two of us");
  await ana.sees("Still two of us");
  // Seen by nobody else; a reload pulls whatever there is to pull.
  await ben.page.reload();
  await ben.at("left-note").waitFor();
  await ben.shows(["Before"]);

  await ben.joinAs("Ben", await ana.invite());
  await ana.at("notice").filter({ hasText: "Ben joined" }).nth(1).waitFor();
  await ana.send("Welcome back");
  await ben.sees("Welcome back");
  await ben.shows(["Before", "Welcome back"]);
  await cleo.shows(["Before", "After", "Still two of us", "Welcome back"]);
  w.pass();
});

test("an admin made by the owner invites and removes, and is one no longer when dismissed", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  const cleo = await w.person("Cleo");
  await cleo.joinAs("Cleo", await ana.invite());
  for (const chat of [ana, ben, cleo]) await chat.has(3);
  await ana.changeRole("Ben");
  await ben.at("notice").filter({ hasText: "You are an admin now" }).waitFor();
  await cleo.at("notice").filter({ hasText: "Ben is an admin now" }).waitFor();
  assert.deepEqual(await ben.ranks(), { Ana: "Owner", Ben: "Admin", Cleo: "" });

  const dan = await w.person("Dan");
  await dan.joinAs("Dan", await ben.invite());
  await ana.has(4);
  await ben.remove("Cleo");
  await cleo.at("left-note").filter({ hasText: "removed you" }).waitFor();
  await ana.at("notice").filter({ hasText: "Cleo was removed" }).waitFor();
  await dan.send("Three of us");
  await ana.sees("Three of us");
  await ben.sees("Three of us");

  await ben.at("details-button").click();
  await ben.about("Ana");
  assert.equal(await ben.at("remove-button").count(), 0, "nobody takes out the owner");
  for (let open = 2; open > 0; open -= 1) await ben.page.keyboard.press("Escape");
  await ana.changeRole("Ben");
  await ben.at("notice").filter({ hasText: "You are no longer an admin" }).waitFor();
  await ben.at("invite-button").waitFor({ state: "detached" });
  await ben.send("Still here");
  await dan.sees("Still here");
  w.pass();
});

test("an invite that was taken back says so to whoever follows it", async (t) => {
  const w = await world(t);
  const [ana] = await w.pair();
  const link = await ana.invite();
  const cleo = await w.person("Cleo");
  await ana.at("details-button").click();
  await ana.at("take-back").click();
  await ana.at("open-invites").waitFor({ state: "detached" });
  // It reaches the node a little later than the click.
  await until("the link to lead nowhere", async () => {
    await cleo.follow(link);
    await cleo.at("join-inviter").or(cleo.at("error-text")).first().waitFor();
    return cleo.at("error-text").filter({ hasText: "used already or taken back" }).isVisible();
  });
  w.pass();
});

test("both see one safety number, and each remembers having compared it", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  const numbers = [];
  for (const [chat, other] of [[ana, "Ben"], [ben, "Ana"]]) {
    await chat.at("details-button").click();
    await chat.about(other);
    numbers.push((await chat.at("safety-number").innerText()).replaceAll(/\s/g, ""));
  }
  assert.match(numbers[0], /^\d{60}$/);
  assert.equal(numbers[0], numbers[1]);
  await ana.at("verify-button").click();
  await ana.at("verified").filter({ hasText: "Verified" }).waitFor();
  await ana.page.reload();
  await ana.openTopicAgain("Weekend trip");
  await ana.at("details-button").click();
  await ana.about("Ben");
  await ana.at("verified").filter({ hasText: "Verified" }).waitFor();
  w.pass();
});
