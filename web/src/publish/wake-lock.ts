// Keeps the screen on while a person is live: a phone that goes dark stops its camera.

/** Holds the lock until the returned function is called; asks again whenever the page comes back into view. */
export function keepAwake(): () => void {
  let lock: WakeLockSentinel | undefined;
  let isWanted = true;
  const ask = async () => {
    if (!isWanted || document.hidden || !('wakeLock' in navigator)) return;
    // Refused in battery saving: the stream goes on as long as the screen does.
    lock = await navigator.wakeLock.request('screen').catch(() => undefined);
    if (!isWanted) void lock?.release();
  };
  const returned = () => void ask();
  document.addEventListener('visibilitychange', returned);
  void ask();
  return () => {
    isWanted = false;
    document.removeEventListener('visibilitychange', returned);
    void lock?.release();
  };
}
