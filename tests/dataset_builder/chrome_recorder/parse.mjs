// Parses every script that is named on the command line with the recorder's own reader; prints how many steps each has.
import { readFileSync } from 'node:fs';
import { parse } from '@puppeteer/replay';

const counts = process.argv.slice(2).map((path) => parse(JSON.parse(readFileSync(path, 'utf8'))).steps.length);
console.log(JSON.stringify(counts));
