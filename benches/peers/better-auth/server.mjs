// better-auth with its admin plugin on PostgreSQL, behind the two calls that are compared: reading
// a user and setting whether its email is verified.
//
//     node server.mjs seed USERS FOLDER    makes the tables, an administrator and users, and writes
//                                          the requests for wrk into FOLDER
//     node server.mjs serve FOLDER         prints where it listens, and serves
//
// DATABASE_URL names the database. Each call is the administrator's: better-auth's own server-side
// API is called with the headers of a session, as its documentation shows. Production settings, but
// for the rate limit, which would refuse nearly everything.
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { admin } from 'better-auth/plugins/admin';
import pg from 'pg';

const [task, ...rest] = process.argv.slice(2);
const KEY = 'peer';

const auth = betterAuth({
  baseURL: 'http://127.0.0.1',
  secret: 'a secret that guards nothing but this comparison',
  // One of pg's pools in its default size.
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL }),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [admin()],
});

async function seed(count, folder) {
  await (await getMigrations(auth.options)).runMigrations();
  const context = await auth.$context;
  const { headers, response } = await auth.api.signUpEmail({
    body: { email: 'admin@example.com', password: 'a long enough password', name: 'Administrator' },
    returnHeaders: true,
  });
  await context.internalAdapter.updateUser(response.user.id, { role: 'admin' });
  const cookies = headers.getSetCookie().map((cookie) => cookie.split(';', 1)[0]);
  writeFileSync(join(folder, 'session'), cookies.join('; '));
  let reads = '';
  let marks = '';
  for (let number = 0; number < count; number += 1) {
    const user = await context.internalAdapter.createUser({
      email: `user.${number}@one.example.com`,
      name: `Sample User ${number}`,
      emailVerified: false,
    });
    reads += `GET\t/users/${user.id}\n`;
    marks += `POST\t/users/${user.id}/verify\t/users/${user.id}/unverify\n`;
  }
  writeFileSync(join(folder, 'reads'), reads);
  writeFileSync(join(folder, 'marks'), marks);
}

function serve(folder) {
  const headers = new Headers({ cookie: readFileSync(join(folder, 'session'), 'utf8') });
  const answer = async (request) => {
    const [, , id, action] = request.url.split('/');
    if (request.headers['x-api-key'] !== KEY) return [401, { error: 'no valid key' }];
    if (action === undefined) return [200, await auth.api.getUser({ query: { id }, headers })];
    const body = { userId: id, data: { emailVerified: action === 'verify' } };
    return [200, await auth.api.adminUpdateUser({ body, headers })];
  };
  const server = createServer((request, response) => {
    answer(request)
      .catch((error) => [500, { error: String(error) }])
      .then(([status, body]) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      });
  });
  server.listen(0, '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`);
  });
}

if (task === 'seed') {
  await seed(Number(rest[0]), rest[1]);
  process.exit(0);
}
serve(rest[0]);
