// Ids by order: webpack's own depend on the folder that is built in, and the committed files could not be compared.
module.exports = { optimization: { moduleIds: 'natural' } };
