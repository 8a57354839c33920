// Signs up, rates and discusses a movie: npm start -- http://127.0.0.1:8000/graphql

import { randomUUID } from 'node:crypto';

import { Client, graphql } from './client.js';

const SignUp = graphql(`
  mutation SignUp($input: SignUpInput!) {
    signUp(input: $input) { token user { username } errors { code field message } }
  }
`);

const FirstMovie = graphql(`
  query FirstMovie { movies(first: 1, orderBy: OLDEST) { nodes { id title } } }
`);

const Rate = graphql(`
  mutation Rate($input: RateInput!) {
    rate(input: $input) {
      rating { rating subject { __typename ... on Movie { title viewerRating userRating { average count } } } }
      errors { code field message }
    }
  }
`);

const AddComment = graphql(`
  mutation AddComment($input: AddCommentInput!) {
    addComment(input: $input) { comment { id text author { username } } errors { code field message } }
  }
`);

/** The payload of a mutation, if nothing is wrong with the input. */
function done<Payload extends { errors: readonly { field: string | null; message: string }[] }>(
  payload: Payload | null,
): Payload {
  const problems = payload?.errors.map(({ field, message }) => `${field ?? 'input'}: ${message}`) ?? [];
  if (!payload || problems.length > 0) throw new Error(problems.join('\n'));
  return payload;
}

const client = new Client(process.argv[2] ?? 'http://127.0.0.1:8000/graphql');

const username = `guest${randomUUID().slice(0, 8)}`;
const { signUp } = await client.ask(SignUp, {
  input: {
    username,
    email: `${username}@example.org`,
    password: randomUUID(),
    fullName: 'Гость',
    birthday: '1990-01-01',
  },
});
client.token = done(signUp).token ?? undefined;

const { movies } = await client.ask(FirstMovie, {});
const movie = movies.nodes[0];
if (!movie) throw new Error('the library has no movies: start the server with --demo');

// Two problems of one input: both come back, each with its field.
const { rate: refused } = await client.ask(Rate, { input: { subjectId: 'nothing', rating: 6 } });
for (const { code, field, message } of refused?.errors ?? []) console.log(`${code} ${field}: ${message}`);

const { rate } = await client.ask(Rate, { input: { subjectId: movie.id, rating: 5 } });
const subject = done(rate).rating?.subject;
if (subject?.__typename === 'Movie') console.log(`${movie.title}: ${subject.viewerRating}`);

const { addComment } = await client.ask(AddComment, { input: { subjectId: movie.id, text: 'Смотреть всем.' } });
const comment = done(addComment).comment;
console.log(`${comment?.author?.username === username ? 'I' : 'somebody'} said: ${comment?.text}`);
