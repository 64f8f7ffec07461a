// Makes docs/images/editor.png: the net after one batch, with its problems and the menu of the lightbulb.
import fs from 'node:fs';
import path from 'node:path';
import { ROOT, env, launch, lineOf, openNet, shows } from './editor.mjs';

if (env.missing) throw new Error(env.missing);
const v = await launch({ viewport: { width: 1200, height: 820 } });
try {
  await openNet(v);
  await v.command('View: Toggle Primary Side Bar Visibility');
  await v.command('Prototxt: Run One-Batch Forward');
  await shows(v, /DYN003/);
  await v.page.locator('.notifications-toasts .notification-list-item-message').first().waitFor({ state: 'detached', timeout: 30000 });
  await v.goto(lineOf('"bnorm1"'));
  await v.clickWord('batch_norm_param');
  await v.lightbulb().waitFor();
  await v.quickFixes();
  const picture = path.join(ROOT, 'docs/images/editor.png');
  fs.mkdirSync(path.dirname(picture), { recursive: true });
  await v.page.screenshot({ path: picture });
  console.log(picture);
} finally { await v.close(); }
