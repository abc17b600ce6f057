/** Arrows go one way: notifications, control, vision → readings → systems → platform; they → brain → platform. */
const onlyTo = (room, allowed) => ({
  name: `${room}-reaches-only-${allowed.join('-')}`,
  comment: `${room} may import from ${allowed.join(', ')} and itself; what must travel back is an event.`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${[room, ...allowed].join('|')})/` },
});

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    onlyTo('platform', ['platform']),
    onlyTo('brain', ['platform']),
    onlyTo('systems', ['platform']),
    onlyTo('readings', ['systems', 'platform']),
    ...['vision', 'control', 'notifications'].map((room) =>
      onlyTo(room, ['readings', 'systems', 'brain', 'platform']),
    ),
    {
      name: 'no-dev-packages-in-the-service',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
