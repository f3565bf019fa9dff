// How much processor time the rest of the machine took meanwhile: what neither this process nor a child of it used. A
// figure without it says nothing on a machine that is shared.

import { readdirSync, readFileSync } from 'node:fs';

const EVERY_MS = 500;
const TICKS_PER_SECOND = 100;

/** Begins to watch; what it answers ends that and tells per cent of one core. */
export function watchOthers() {
  const ours = new Set([process.pid]);
  const before = new Map();
  const from = performance.now();
  let ticks = 0;
  const look = () => {
    const processes = readProcesses();
    for (const [pid, { parent }] of processes) if (isOurs(pid, parent, processes, ours)) ours.add(pid);
    for (const [pid, { used }] of processes) {
      if (ours.has(pid)) continue;
      ticks += Math.max(0, used - (before.get(pid) ?? used));
      before.set(pid, used);
    }
  };
  look();
  const timer = setInterval(look, EVERY_MS);
  return () => {
    clearInterval(timer);
    look();
    return Math.round(((ticks / TICKS_PER_SECOND) * 100) / ((performance.now() - from) / 1_000));
  };
}

function isOurs(pid, parent, processes, ours) {
  for (let at = pid, up = parent; ; at = up, up = processes.get(up)?.parent ?? 0) {
    if (ours.has(at)) return true;
    if (up <= 1) return false;
  }
}

/** Parent and processor time of every process; empty where there is no /proc. */
function readProcesses() {
  const found = new Map();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      found.set(Number(name), { parent: Number(fields[1]), used: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}
