// An OpenID provider for tests: oidc-provider on a loopback port of the system's choice, with its development pages.
// Whoever types a name into its login form is the subject of that name; any password is right. Clients register
// themselves (RFC 7591). Prints its issuer as one line, and ends with its standard input.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
	const issuer = `http://127.0.0.1:${server.address().port}`;
	const provider = new Provider(issuer, {
		claims: { openid: ['sub'], email: ['email'], profile: ['preferred_username', 'name'] },
		features: { registration: { enabled: true }, devInteractions: { enabled: true } },
		pkce: { required: () => true },
		findAccount: (_, sub) => ({
			accountId: sub,
			claims: () => ({ sub, preferred_username: sub, name: sub, email: `${sub}@example.test` })
		})
	});
	server.on('request', provider.callback());
	process.stdout.write(`ISSUER ${issuer}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
