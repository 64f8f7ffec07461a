/** How often a server that ends by itself is started again. No editor types, so that it can be tested. */

const MOST = 5;
const WITHIN_MS = 3 * 60_000;

export class Crashes {
  private readonly times: number[] = [];

  /** Notes one crash; says whether to start again: not when it was the fifth within three minutes. */
  startAgain(now: number): boolean {
    this.times.push(now);
    if (this.times.length > MOST) this.times.shift();
    return this.times.length < MOST || now - (this.times[0] as number) > WITHIN_MS;
  }
}
